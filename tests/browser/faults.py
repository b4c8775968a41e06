"""What can go wrong between the page and the service, made to happen."""

from typing import Any

from page import Page

# Stands between the page and the network: the next request whose path or body holds a text fails in
# a way.
SCRIPT = """
(() => {
    const real = window.fetch;
    const lost = () => new TypeError('Failed to fetch');
    window.faults = [];
    window.asked = [];
    window.fetch = async (resource, init) => {
        const body = `${resource} ${init?.body ?? ''}`;
        window.asked.push(body);
        const at = window.faults.findIndex(fault => body.includes(fault.text));
        if (at < 0) return real(resource, init);
        const [fault] = window.faults.splice(at, 1);
        if (fault.how === 'hold') {
            await new Promise(release => { window.release = release; });
            return real(resource, init);
        }
        if (fault.how === 'redirect') return real('/', { redirect: 'manual' });
        if (fault.how === 'status') {
            const { status, headers } = fault;
            return new Response(fault.body, { status, headers });
        }
        const answer = await real(resource, init);
        if (fault.how === 'lose') throw lost();
        if (fault.how === 'replace') return new Response(fault.body, { status: answer.status });
        const text = (await answer.text()).replaceAll(fault.from, fault.to);
        return new Response(text, { status: answer.status, headers: answer.headers });
    };
})();
"""


class Faults:
    """What is to go wrong next. It has to be there before the page is loaded."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.browser.before_load(SCRIPT)

    def _add(self, **fault: Any) -> None:
        self._page.driver.execute_script("window.faults.push(arguments[0])", fault)

    def hold(self, text: str) -> None:
        """The next request that holds this text is not sent until it is released."""
        self._add(text=text, how="hold")

    def is_held(self) -> bool:
        """Whether a request waits to be released."""
        return bool(self._page.driver.execute_script("return Boolean(window.release)"))

    def release(self) -> None:
        """Sends what was held."""
        self._page.driver.execute_script("window.release(); window.release = null")

    def lose(self, text: str) -> None:
        """The next such request arrives, and its answer does not."""
        self._add(text=text, how="lose")

    def fail(self, text: str, status: int, body: str = "", **headers: str) -> None:
        """The next such request is answered by something before the service."""
        self._add(text=text, how="status", status=status, body=body, headers=headers)

    def replace(self, text: str, body: str) -> None:
        """The next such request arrives, and another answer than the service's comes back."""
        self._add(text=text, how="replace", body=body)

    def redirect(self, text: str) -> None:
        """The next such request is led to another address."""
        self._add(text=text, how="redirect")

    def change(self, text: str, before: str, after: str) -> None:
        """The answer to the next such request says something else, each time that it is loaded."""
        fault = {"text": text, "how": "change", "from": before, "to": after}
        self._page.browser.before_load(f"window.faults.push({fault!r})")

    def asked(self, text: str) -> int:
        """How many requests that held this text the page has sent."""
        asked = self._page.driver.execute_script("return window.asked")
        return sum(text in body for body in asked)
