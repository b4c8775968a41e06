// The page on which people make and revoke their access tokens.
//
// It speaks GraphQL with the service, and nothing else but log-in and log-out. Texts from outside are only
// ever put in as text. The one secret, a new token, is in the page from when it was made until its dialog is
// closed or the page is left, and nowhere else: not in the address, not in any storage.

const settings = { ...document.body.dataset };
const byId = (id) => document.getElementById(id);

const PAGE_SIZE = 10;
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const SOON = 7 * DAY;
const LONG = 90 * DAY;
const NAME_LENGTH = 50, DESCRIPTION_LENGTH = 500;
const TIME_LIMIT = 30 * SECOND;
const SEARCH_DELAY = 250;
const MOST_SERVICE_ACCOUNTS = 1000;

/** What is known of who asks, and of the list that is shown. */
const state = {
  me: null, // { urn, username }
  may: { generate: false, manageTokens: false, manageServiceAccounts: false },
  enabled: true,
  lifetimes: [], // { key, label, ms (null for never), input }
  list: { start: 0, sort: { field: "createdAt", sortOrder: "DESCENDING" } },
  loading: 0, // counts the lists that were asked for: only the last one is shown
  loadedAt: 0,
  creating: false,
  revoking: false,
  toRevoke: null,
  copied: false,
};

// ---- What is asked of the service ----------------------------------------------------------------------

const START = `query Start {
  me { corpUser { urn username properties { displayName } }
    platformPrivileges { generatePersonalAccessTokens manageTokens manageServiceAccounts } }
  appConfig { authConfig { tokenAuthEnabled accessTokens { allowedDurations allowNoExpiry } } }
}`;
const WHO = `query Who { me { corpUser { urn username } } }`;
const TOKENS = `query Tokens($input: ListAccessTokenInput!) {
  me { corpUser { urn username } }
  listAccessTokens(input: $input) { start count total tokens {
    id name description actorUrn ownerUrn createdAt expiresAt lastUsedAt lastUsedAddress lastUsedAgent status
    owner { username properties { displayName } } actor { username properties { displayName } }
  } }
}`;
const CREATE = `mutation Create($input: CreateAccessTokenInput!) {
  createAccessToken(input: $input) { accessToken metadata { id name expiresAt actorUrn } }
}`;
const REVOKE = `mutation Revoke($tokenId: String!) { revokeAccessToken(tokenId: $tokenId) }`;
const USERS = `query Users($input: ListUsersInput!) {
  listUsers(input: $input) { total users { urn username properties { displayName } } }
}`;
const USER = `query User($urn: String!) { corpUser(urn: $urn) { exists } }`;
const SERVICE_ACCOUNTS = `query ServiceAccounts($input: ListServiceAccountsInput!) {
  listServiceAccounts(input: $input) { total serviceAccounts { urn name displayName } }
}`;

/** Why something was not done. `kind` is one of
 *  - `unauthenticated`: nobody is logged in (any more), and nothing was done;
 *  - `forbidden`: it is not allowed, and nothing was done;
 *  - `refused`: the service said no, and nothing was done;
 *  - `unknown`: the answer is missing or no answer: it may have been done. */
class Failure extends Error {
  constructor(kind, message, { status = 0, code = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { kind, status, code, retryAfter });
  }
}

/** What is between the clock of the service and the one that counts since this page was loaded. */
let clock = Date.now() - performance.now();
const now = () => clock + performance.now();

async function send(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      // A log-in of the service's own may answer with the way to it, which is no answer here.
      redirect: "manual",
      signal: AbortSignal.timeout(TIME_LIMIT),
    });
  } catch (error) {
    const why = error.name === "TimeoutError" ? "The service did not answer in time." : "The service cannot be reached.";
    throw new Failure("unknown", why);
  }
  if (response.type === "opaqueredirect" || response.status === 401) {
    throw new Failure("unauthenticated", "You are not logged in any more.");
  }
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) clock = date - performance.now();
  let answer = null;
  try {
    answer = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (response.ok) throw new Failure("unknown", "The answer of the service was cut off.");
  }
  if (response.ok) return answer;
  const message = sentence(answer?.message) || `The service answered with status ${response.status}.`;
  const kind = response.status >= 500 ? "unknown" : response.status === 403 ? "forbidden" : "refused";
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  throw new Failure(kind, message, { status: response.status, code: answer?.code, retryAfter });
}

/** What GraphQL answers, and a failure if the field `needed` is not in it. */
async function graphql(query, variables, needed) {
  const answer = await send(settings.graphqlPath, { query, variables });
  if (answer?.data?.[needed] !== null && answer?.data?.[needed] !== undefined) return answer.data;
  const error = answer?.errors?.[0];
  if (!error) throw new Failure("unknown", "The service gave an answer that is not understood.");
  throw new Failure(kindOf(error.extensions ?? {}), sentence(error.message), { code: error.extensions?.code });
}

function kindOf({ code, classification }) {
  if (code === 401) return "unauthenticated";
  if (code === 403) return "forbidden";
  // What fails inside may have failed after the work. The language's own errors have a classification alone.
  return code >= 500 || (code === undefined && !classification) ? "unknown" : "refused";
}

// ---- Who is here ---------------------------------------------------------------------------------------

/** Asks who is logged in, and shows what that person may see. */
async function start() {
  show("starting-view");
  byId("starting-text").textContent = "Loading…";
  byId("start-again").hidden = true;
  try {
    await loadStart();
    show("tokens-view");
    await loadTokens();
  } catch (failure) {
    if (failure.kind === "unauthenticated") return showLogIn();
    byId("starting-text").textContent = "";
    byId("start-again").hidden = false;
    failed(failure, "page-alert");
  }
}

async function startAgain() {
  tell("page-alert", "");
  await start();
  if (!byId("tokens-view").hidden) focusMain();
  else if (!byId("start-again").hidden) byId("start-again").focus();
}

/** Loads what somebody may do. False if that is no longer who the page is shown to: then it has started again. */
async function loadStart() {
  const { me, appConfig } = await graphql(START, {}, "me");
  if (!(await isSamePerson(me.corpUser))) return false;
  state.me = me.corpUser;
  const granted = me.platformPrivileges;
  state.may = {
    generate: granted.generatePersonalAccessTokens || granted.manageTokens,
    manageTokens: granted.manageTokens,
    manageServiceAccounts: granted.manageServiceAccounts,
  };
  const { tokenAuthEnabled = true, accessTokens } = appConfig?.authConfig ?? {};
  state.enabled = tokenAuthEnabled;
  state.lifetimes = lifetimes(accessTokens?.allowedDurations ?? [], accessTokens?.allowNoExpiry ?? false);
  renderAccount();
  return true;
}

function renderAccount() {
  const { generate, manageTokens, manageServiceAccounts } = state.may;
  byId("account").hidden = false;
  byId("account-name").textContent = state.me.username;
  byId("account-name").title = whole(state.me.properties?.displayName || state.me.username, state.me.username);
  byId("log-out").hidden = settings.logIn !== "form";
  byId("banner").hidden = state.enabled;
  byId("owner-field").hidden = !manageTokens;
  const mayCreate = generate || manageServiceAccounts;
  byId("generate").hidden = false;
  byId("generate").disabled = !state.enabled || !mayCreate;
  byId("generate-reason").hidden = mayCreate;
  byId("generate-reason").textContent = mayCreate ? "" : missingPrivilege("generate tokens");
  // What is hidden would be heard all the same.
  const reasons = [mayCreate ? "" : "generate-reason", state.enabled ? "" : "banner"];
  byId("generate").setAttribute("aria-describedby", reasons.filter(Boolean).join(" "));
}

const missingPrivilege = (what) =>
  `To ${what} you need the privilege “Generate Personal Access Tokens” or “Manage All Access Tokens”. ` +
  `Ask ${settings.contact} for one of them.`;

/** Whether who is logged in is still the one whom the page is shown to; otherwise says so and starts again. */
async function isSamePerson(found) {
  if (!state.me || found.urn === state.me.urn) return true;
  const before = state.me.username;
  forget();
  await start();
  tell("page-alert", named(found.username), " is logged in now, and no longer ", named(before), ". What was open is closed.");
  return false;
}

/** Asks who is logged in before something is changed in their name. */
async function stillMe() {
  const { me } = await graphql(WHO, {}, "me");
  return isSamePerson(me.corpUser);
}

/** Leaves nothing of a person in the page. */
function forget() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  clearResult();
  resetCreate();
  byId("filters").reset();
  byId("log-in-form").reset();
  for (const id of ["owner-list", "acts-as-list", "rows", "service-account"]) byId(id).replaceChildren();
  byId("account").hidden = true;
  byId("generate").hidden = true;
  byId("generate-reason").hidden = true;
  byId("banner").hidden = true;
  state.me = null;
  state.list.start = 0;
  state.loading += 1;
  for (const id of ["page-status", "page-alert", "list-alert"]) tell(id, "");
}

// ---- Logging in and out --------------------------------------------------------------------------------

const LOG_IN_WHY = {
  form: "",
  link: "You log in on another page. Do it there, then come back and go on.",
  none: `You are not logged in. Log in where you usually do, or ask ${settings.contact}; then come back and go on.`,
};

/** The form, with nothing else around. */
function showLogIn() {
  forget();
  byId("log-in-view").append(byId("log-in"));
  byId("log-in-why").textContent = LOG_IN_WHY[settings.logIn];
  show("log-in-view");
  focusLogIn();
}

/** The form over what is open, so that nothing typed is lost. */
function logInAgain() {
  if (byId("log-in-dialog").open) return;
  byId("log-in-place").append(byId("log-in"));
  byId("log-in-why").textContent =
    `You were logged out meanwhile. ${settings.logIn === "form" ? "Log in again and go on: what you typed is still there." : LOG_IN_WHY[settings.logIn]}`;
  byId("user-name").value ||= state.me?.username ?? "";
  byId("log-in-dialog").showModal();
  focusLogIn();
}

function closeLogIn() {
  if (!byId("log-in-cancel").disabled) byId("log-in-dialog").close();
}

function focusLogIn() {
  tell("log-in-alert", "");
  tell("go-on-alert", "");
  byId("log-in-form").hidden = settings.logIn !== "form";
  byId("log-in-elsewhere").hidden = settings.logIn === "form";
  byId("log-in-link").hidden = settings.logIn !== "link";
  if (settings.logIn === "link") byId("log-in-link").href = settings.logInPath;
  const first = byId("user-name").value ? "password" : "user-name";
  byId(settings.logIn === "form" ? first : "go-on").focus();
}

async function submitLogIn(event) {
  event.preventDefault();
  const button = byId("log-in-button");
  const [username, password] = [byId("user-name").value.trim(), byId("password").value];
  if (isBusy(button)) return;
  tell("log-in-alert", "");
  if (!username || !password) {
    tell("log-in-alert", "Enter your user name and your password.");
    byId(username ? "password" : "user-name").focus();
    return;
  }
  loggingIn(button, true);
  let accepted = false;
  try {
    await send(settings.logInPath, { username, password });
    accepted = true;
    byId("password").value = "";
    await loggedIn();
  } catch (failure) {
    if (failure instanceof Failure) tell("log-in-alert", logInFailed(failure, accepted));
    else failed(failure, "log-in-alert");
    byId("password").select();
  } finally {
    loggingIn(button, false);
  }
}

/** While somebody logs in, what is behind the form may turn out to be another's: nobody goes back to it. */
function loggingIn(button, is) {
  busy(button, is);
  byId("log-in-cancel").disabled = is;
}

function logInFailed(failure, accepted) {
  if (failure.status === 429) {
    const when = failure.retryAfter > 0 ? distance(Math.ceil(failure.retryAfter / 60) * MINUTE) : "later";
    return `There were too many attempts. Try again ${when}.`;
  }
  // The log-in was right, and the request after it had no session.
  if (accepted && failure.kind === "unauthenticated") return "Your browser does not keep the log-in. Allow cookies for this page, and try again.";
  if (failure.code === "invalid_credentials" || failure.kind === "unauthenticated") {
    return "User name or password is wrong, or you are not allowed to log in.";
  }
  return failure.kind === "unknown" ? `${failure.message} Please try again.` : failure.message;
}

async function goOn() {
  const button = byId("go-on");
  if (isBusy(button)) return;
  loggingIn(button, true);
  tell("go-on-alert", "");
  try {
    await loggedIn();
  } catch (failure) {
    if (failure.kind === "unauthenticated") tell("go-on-alert", "You are not logged in yet.");
    else failed(failure, "go-on-alert");
  } finally {
    loggingIn(button, false);
  }
}

/** Goes on where the log-in was needed: at the start, or in the middle of work. */
async function loggedIn() {
  const { me } = await graphql(WHO, {}, "me");
  const isInTheMiddle = state.me !== null;
  byId("log-in-dialog").close();
  if (!(await isSamePerson(me.corpUser))) return;
  if (!isInTheMiddle) {
    tell("page-status", "");
    await start();
    focusMain();
    return;
  }
  await noticed();
  const open = openDialog();
  for (const each of ["create-alert", "revoke-alert", "page-alert"]) tell(each, "");
  const note = "You are logged in again. Nothing was sent meanwhile: go on where you were.";
  tell(open === byId("create-dialog") ? "create-status" : open === byId("revoke-dialog") ? "revoke-status" : "page-status", note);
  try {
    if (!(await loadStart())) return;
    if (byId("create-dialog").open) renderCreate();
    await loadTokens();
  } catch (failure) {
    failed(failure, "page-alert");
  }
}

async function logOut() {
  const button = byId("log-out");
  if (isBusy(button)) return;
  busy(button, true);
  try {
    await send(settings.logOutPath);
    showLogIn();
    tell("page-status", "You are logged out.");
  } catch (failure) {
    if (failure.kind === "unauthenticated") return showLogIn();
    tell("page-alert", `You are still logged in. ${failure.message}`);
  } finally {
    busy(button, false);
  }
}

// ---- The list ------------------------------------------------------------------------------------------

function filters() {
  const filters = [];
  const add = (field, values, condition = "EQUAL") => filters.push({ field, values, condition });
  const owner = byId("owner").value.trim();
  if (!state.may.manageTokens) add("ownerOrActorUrn", [state.me.urn]);
  else if (owner) add("ownerUrn", [urnOf(owner, byId("owner-list"))]);
  const text = byId("search").value.trim();
  if (text) add("query", [text], "CONTAIN");
  const status = byId("status").value;
  if (status === "expired") add("status", ["EXPIRED"]);
  if (status === "active" || status === "expiring") add("status", ["ACTIVE"]);
  if (status === "expiring") add("expiresAt", [String(Math.round(now() + SOON))], "LESS_THAN");
  return filters;
}

const isFiltered = () => byId("search").value.trim() !== "" || byId("status").value !== "all" ||
  (state.may.manageTokens && byId("owner").value.trim() !== "");

async function loadTokens() {
  const loading = ++state.loading;
  const table = byId("table");
  table.setAttribute("aria-busy", "true");
  try {
    const { start, sort } = state.list;
    const input = { start, count: PAGE_SIZE, sort, filters: filters() };
    const { me, listAccessTokens: page } = await graphql(TOKENS, { input }, "listAccessTokens");
    if (loading !== state.loading || !(await isSamePerson(me.corpUser))) return;
    if (page.tokens.length === 0 && page.total > 0 && start > 0) {
      // The page that was shown is gone: tokens were revoked.
      state.list.start = Math.floor((page.total - 1) / PAGE_SIZE) * PAGE_SIZE;
      return await loadTokens();
    }
    state.loadedAt = now();
    tell("list-alert", "");
    renderTokens(page);
  } catch (failure) {
    if (loading !== state.loading) return;
    tell("list-alert", "");
    if (failure.kind === "forbidden") return renderNoAccess();
    failed(failure, "list-alert", "The list could not be loaded, and what is shown may be old.");
  } finally {
    if (loading === state.loading) table.setAttribute("aria-busy", "false");
  }
}

function renderTokens({ start, total, tokens }) {
  // Who has gone on to a row while the list was loaded stays there.
  const focused = byId("rows").contains(document.activeElement) ? document.activeElement.dataset.id : null;
  byId("rows").replaceChildren(...tokens.map(row));
  if (focused) focusRow(focused);
  byId("sheet").hidden = total === 0;
  byId("filters").hidden = false;
  byId("empty").hidden = total > 0;
  byId("clear-filters").hidden = !isFiltered();
  if (isFiltered()) {
    byId("empty-title").textContent = "No tokens match";
    byId("empty-text").textContent = "Search for something else, or clear the filters.";
  } else {
    byId("filters").hidden = total === 0;
    byId("empty-title").textContent = "No access tokens yet";
    byId("empty-text").textContent = byId("generate").disabled
      ? "Tokens that you may use will be listed here."
      : "A token lets scripts, notebooks and ingestion use DataHub in your name. Generate one above; it will be listed here.";
  }
  byId("pager").hidden = total === 0;
  byId("range").textContent = total === 0 ? "" : `${start + 1}–${start + tokens.length} of ${total}`;
  const focusedPager = byId("pager").contains(document.activeElement);
  byId("previous").disabled = start === 0;
  byId("next").disabled = start + tokens.length >= total;
  // A button that is disabled loses the focus.
  if (focusedPager && document.activeElement.disabled !== false) {
    const other = [byId("previous"), byId("next")].find((each) => !each.disabled);
    if (other) other.focus();
    else if (total > 0) byId("sheet").focus();
    else focusMain();
  }
  renderSort();
}

function renderNoAccess() {
  byId("rows").replaceChildren();
  for (const id of ["sheet", "filters", "pager", "clear-filters"]) byId(id).hidden = true;
  byId("empty").hidden = false;
  byId("empty-title").textContent = "You are not allowed to list access tokens";
  byId("empty-text").textContent = state.may.generate
    ? `Your privileges may have changed. Load the page again, or ask ${settings.contact}.`
    : "Listing them needs one of the privileges that generating them needs.";
}

function row(token, index) {
  const { name, description, status } = token;
  const title = name || "(no name)";
  const revoke = make("button", { type: "button", className: "small danger-quiet", textContent: "Revoke" });
  revoke.setAttribute("aria-label", `Revoke ${title}`);
  revoke.dataset.id = token.id;
  // Names need not be unique.
  revoke.setAttribute("aria-describedby", `created-${index}`);
  revoke.addEventListener("click", () => openRevoke(token, title));
  const nameCell = make("th", { className: "of-name", scope: "row" }, text(title, "clip strong"));
  nameCell.setAttribute("role", "rowheader");
  return withRole("row", make("tr", {},
    nameCell,
    cell("Description", "of-description", description ? text(description, "clip") : dash()),
    Object.assign(cell("Created", "of-time", past(token.createdAt)), { id: `created-${index}` }),
    cell("Expires", "of-time", token.expiresAt === null ? make("span", { className: "never", textContent: "Never" })
      : expiry(token.expiresAt, status)),
    cell("Last used", "of-time", lastUse(token)),
    cell("Acts as", "of-user", person(token.actor, token.actorUrn)),
    cell("Made by", "of-user", person(token.owner, token.ownerUrn)),
    cell("Status", "of-status", statusBadge(status)),
    cell("Actions", "of-actions", revoke),
  ));
}

function lastUse({ lastUsedAt, lastUsedAddress, lastUsedAgent }) {
  if (lastUsedAt === null) return make("span", { className: "faint", textContent: "Never" });
  const used = past(lastUsedAt);
  used.title = [used.title, ...[lastUsedAddress, lastUsedAgent].filter(Boolean).map(isolated)].join(", ");
  if (lastUsedAddress) used.append(text(lastUsedAddress, "second clip"));
  return used;
}

function person(user, urn) {
  const username = user?.username ?? userName(urn);
  const shown = user?.properties?.displayName || username;
  const element = make("span", { className: "person" }, text(shown, "clip"));
  // A display name is what somebody calls themselves: who it really is stands below.
  if (shown !== username) element.append(text(username, "second clip"));
  else if (urn === state.me.urn) element.append(text("you", "second"));
  for (const each of [element, ...element.children]) each.title = whole(shown, username);
  return element;
}

function statusBadge(status) {
  const words = { ACTIVE: "Active", EXPIRED: "Expired", REVOKED: "Revoked" };
  return make("span", { className: `badge ${status.toLowerCase()}`, textContent: words[status] ?? status });
}

function renderSort() {
  const { field, sortOrder } = state.list.sort;
  for (const header of document.querySelectorAll("th[data-sort]")) {
    if (header.dataset.sort !== field) header.removeAttribute("aria-sort");
    else header.setAttribute("aria-sort", sortOrder === "ASCENDING" ? "ascending" : "descending");
  }
}

function sortBy(field) {
  const { sort } = state.list;
  const first = field === "name" || field === "expiresAt" ? "ASCENDING" : "DESCENDING";
  const other = sort.sortOrder === "ASCENDING" ? "DESCENDING" : "ASCENDING";
  state.list.sort = { field, sortOrder: sort.field === field ? other : first };
  renderSort();
  return fromFirstPage();
}

function fromFirstPage() {
  // What was typed before a log-out comes a moment later.
  if (!state.me) return;
  state.list.start = 0;
  tell("page-alert", "");
  return loadTokens();
}

function turnPage(by) {
  state.list.start = Math.max(0, state.list.start + by * PAGE_SIZE);
  tell("page-alert", "");
  return loadTokens();
}

// ---- Users and service accounts ------------------------------------------------------------------------

/** Offers users below a field while somebody types. Who may not list users types the whole name. */
function suggest(input, list) {
  let refused = null; // whom it is not allowed
  let asked = 0; // only the last answer counts
  const load = later(async () => {
    const me = state.me?.urn;
    if (!me || refused === me) return;
    const asking = ++asked;
    const isStale = () => asking !== asked || me !== state.me?.urn;
    try {
      const { listUsers } = await graphql(USERS, { input: { start: 0, count: 20, query: input.value.trim() } }, "listUsers");
      if (isStale()) return;
      list.replaceChildren(...listUsers.users.map(({ urn, username, properties }) => {
        const option = make("option", { value: username, label: properties?.displayName?.slice(0, 80) ?? "" });
        option.dataset.urn = urn;
        return option;
      }));
    } catch (failure) {
      if (failure.kind === "forbidden") refused = me;
      if (!isStale()) list.replaceChildren();
    }
  });
  input.addEventListener("focus", () => { if (list.childElementCount === 0) load(); });
  input.addEventListener("input", load);
}

/** The urn of whom a text names: a urn, a user that was offered, or any user of this name. */
function urnOf(text, list) {
  if (text.startsWith("urn:li:")) return text;
  const offered = [...list.children].find((option) => option.value === text);
  return offered?.dataset.urn ?? `urn:li:corpuser:${text}`;
}

/** Whether there certainly is no such user. Who may not know is not kept from trying. */
async function isNobody(urn) {
  const { data, errors } = await send(settings.graphqlPath, { query: USER, variables: { urn } });
  if (errors?.length) return false;
  return data.corpUser === null || data.corpUser?.exists === false;
}

async function loadServiceAccounts() {
  const [select, hint, again] = ["", "-hint", "-again"].map((part) => byId(`service-account${part}`));
  const { urn: me } = state.me;
  again.hidden = true;
  hint.textContent = "Loading…";
  try {
    const input = { start: 0, count: MOST_SERVICE_ACCOUNTS };
    const { total, serviceAccounts } = (await graphql(SERVICE_ACCOUNTS, { input }, "listServiceAccounts")).listServiceAccounts;
    if (me !== state.me?.urn) return;
    const chosen = select.value;
    select.replaceChildren(make("option", { value: "", textContent: "Choose one" }), ...serviceAccounts.map(({ urn, name, displayName }) => {
      // `name` lacks the prefix that the user name has, by which the account goes everywhere else.
      const shown = displayName && displayName !== name ? displayName : userName(urn);
      return make("option", { value: urn, textContent: whole(clipped(shown), userName(urn)) });
    }));
    if (serviceAccounts.some(({ urn }) => urn === chosen)) select.value = chosen;
    hint.textContent = total === 0 ? "There are no service accounts yet."
      : total > serviceAccounts.length ? `These are the first ${serviceAccounts.length} of ${total}.` : "";
  } catch (failure) {
    if (me !== state.me?.urn) return;
    hint.textContent = "";
    again.hidden = false;
    failed(failure, "create-alert", "The service accounts could not be loaded.");
  }
}

// ---- Generating a token --------------------------------------------------------------------------------

function openCreate() {
  tell("page-status", "");
  tell("page-alert", "");
  renderCreate();
  byId("create-dialog").showModal();
  byId("name").focus();
}

/** Shows what there is to choose from, which may be something else than when the form was opened. */
function renderCreate() {
  const { generate, manageTokens, manageServiceAccounts } = state.may;
  byId("kind-field").hidden = !manageServiceAccounts;
  byId("kind-personal").disabled = !generate;
  if (!generate && manageServiceAccounts) byId("kind-service-account").checked = true;
  if (manageTokens && !byId("acts-as").value) byId("acts-as").value = state.me.username;
  renderKind();
  renderLifetimes();
}

function closeCreate() {
  byId("create-dialog").close();
  resetCreate();
  focusMain();
}

function resetCreate() {
  byId("create-form").reset();
  byId("expires-in").replaceChildren();
  for (const field of ["name", "description", "acts-as", "service-account", "expires-in"]) fieldError(field, "");
  tell("create-status", "");
  tell("create-alert", "");
}

const isForServiceAccount = () => !byId("kind-field").hidden && byId("kind-service-account").checked;

function renderKind() {
  const forServiceAccount = isForServiceAccount();
  byId("acts-as-field").hidden = forServiceAccount || !state.may.manageTokens;
  byId("service-account-field").hidden = !forServiceAccount;
  if (forServiceAccount && byId("service-account").childElementCount === 0) loadServiceAccounts();
}

/** Offers the lifetimes that there are now. What was chosen stays chosen, or another has to be. */
function renderLifetimes() {
  const select = byId("expires-in");
  const chosen = select.value || preset(state.lifetimes)?.key;
  select.replaceChildren(...state.lifetimes.map(({ key, label }) => make("option", { value: key, textContent: label })));
  select.value = chosen ?? "";
  fieldError("expires-in", chosen && !chosenLifetime() ? "This lifetime is not offered any more. Choose another." : "");
  renderExpiry();
}

const chosenLifetime = () => state.lifetimes.find(({ key }) => key === byId("expires-in").value);

function renderExpiry() {
  const { ms } = chosenLifetime() ?? {};
  byId("expiry").textContent = ms === undefined ? "" : expiryText(ms === null ? null : now() + ms);
  const warning = byId("expiry-warning");
  warning.hidden = ms === undefined || (ms !== null && ms <= LONG);
  warning.textContent = ms === null
    ? "Anyone who gets hold of this token can use it until somebody revokes it. Choose a lifetime, if you can."
    : "That is long: anyone who gets hold of this token can use it all that time. Choose a shorter lifetime, if you can.";
}

const expiryText = (at) => at === null ? "This token will never expire." : `The token will expire on ${moment(at)}.`;

/** What the form says, or nothing if something is wrong with it; then the first such field is focused. */
function createInput() {
  const forServiceAccount = isForServiceAccount();
  const [name, description] = [byId("name").value.trim(), byId("description").value.trim()];
  const actsAs = byId("acts-as").value.trim();
  const wrong = {
    name: !name ? "Give the token a name." : tooLong(name, NAME_LENGTH),
    description: tooLong(description, DESCRIPTION_LENGTH),
    "acts-as": !forServiceAccount && state.may.manageTokens && !actsAs ? "Say whom the token acts as." : "",
    "service-account": forServiceAccount && !byId("service-account").value ? "Choose a service account." : "",
    "expires-in": chosenLifetime() ? "" : "Choose a lifetime.",
  };
  for (const [field, message] of Object.entries(wrong)) fieldError(field, message);
  const first = Object.keys(wrong).find((field) => wrong[field]);
  if (first) {
    byId(first).focus();
    return null;
  }
  const actorUrn = forServiceAccount ? byId("service-account").value
    : state.may.manageTokens ? urnOf(actsAs, byId("acts-as-list")) : state.me.urn;
  const { input } = chosenLifetime() ?? {};
  return { type: forServiceAccount ? "SERVICE_ACCOUNT" : "PERSONAL", actorUrn, name, description: description || null, ...input };
}

function tooLong(value, most) {
  // As the service counts: code points.
  const length = [...value].length;
  return length > most ? `At most ${most} characters; these are ${length}.` : "";
}

async function submitCreate(event) {
  event.preventDefault();
  if (state.creating) return;
  tell("create-status", "");
  tell("create-alert", "");
  const input = createInput();
  if (!input) return;
  state.creating = true;
  busy(byId("create"), true);
  byId("create-cancel").disabled = true;
  let sent = false;
  try {
    if (!(await stillMe())) return;
    if (input.type === "PERSONAL" && input.actorUrn !== state.me.urn && (await isNobody(input.actorUrn))) {
      fieldError("acts-as", "There is no user of this name.");
      byId("acts-as").focus();
      return;
    }
    sent = true;
    const { createAccessToken } = await graphql(CREATE, { input }, "createAccessToken");
    byId("create-dialog").close();
    resetCreate();
    showResult(createAccessToken);
    state.list.start = 0;
    loadTokens();
  } catch (failure) {
    createFailed(failure, sent, input.name);
  } finally {
    state.creating = false;
    busy(byId("create"), false);
    byId("create-cancel").disabled = false;
  }
}

function createFailed(failure, sent, name) {
  if (failure.kind === "unknown" && sent) {
    tell("create-alert", `${failure.message} A token named “`, named(name), "” may have been made all the same. The list behind this " +
      "dialog is loaded again: if it is there, revoke it, since its text is lost. What you typed is still here.");
    loadTokens();
    return;
  }
  failed(failure, "create-alert");
  if (failure.kind === "forbidden") reloadPrivileges();
}

/** After a refusal: privileges may have changed since the page was loaded. */
async function reloadPrivileges() {
  try {
    if (!(await loadStart())) return;
    if (byId("create-dialog").open) renderCreate();
    await loadTokens();
  } catch (failure) {
    failed(failure, "page-alert");
  }
}

// ---- The new token, once -------------------------------------------------------------------------------

function showResult({ accessToken, metadata }) {
  const service = settings.metadataService || location.origin;
  const api = settings.metadataService ? `${service}/api/graphql` : new URL(settings.graphqlPath, service).href;
  byId("token").value = accessToken;
  if (metadata) byId("result-what").replaceChildren("“", named(metadata.name), "” acts as ", named(userName(metadata.actorUrn)), ".");
  byId("result-expiry").textContent = metadata ? expiryText(metadata.expiresAt) : "";
  byId("curl").textContent = curl(api, accessToken);
  byId("sink").textContent = sink(service, accessToken);
  state.copied = false;
  byId("result-dialog").showModal();
  byId("copy-token").focus();
}

const curl = (api, token) =>
  `curl -X POST ${shellQuoted(api)} -H ${shellQuoted(`Authorization: Bearer ${token}`)} ` +
  `-H 'Content-Type: application/json' -d '{"query":"{ me { corpUser { username } } }"}'`;

const sink = (server, token) =>
  `sink:\n  type: datahub-rest\n  config:\n    server: ${yamlQuoted(server)}\n    token: ${yamlQuoted(token)}\n`;

const shellQuoted = (value) => `'${value.replaceAll("'", `'\\''`)}'`;
const yamlQuoted = (value) => `'${value.replaceAll("'", "''")}'`;

async function copy(value, what, shown) {
  tell("result-status", "");
  tell("result-alert", "");
  try {
    await navigator.clipboard.writeText(value);
    state.copied = true;
    tell("result-status", `${what} copied.`);
  } catch {
    select(shown);
    tell("result-alert", `${what} could not be copied. It is selected: copy it with Ctrl+C or ⌘C.`);
  }
}

function select(element) {
  element.focus();
  if (element.select) return element.select();
  getSelection().selectAllChildren(element);
}

function closeResult() {
  byId("result-dialog").close();
  clearResult();
  focusMain();
}

/** Escape is easily pressed by mistake, and the token would be lost. */
function cancelResult() {
  if (state.copied) return closeResult();
  tell("result-alert", "The token has not been copied, and it cannot be seen again. To leave it all the same, choose Close.");
}

/** Called once more when the dialog is closed, by whatever closed it. */
function clearResult() {
  if (byId("result-dialog").open) byId("result-dialog").close();
  byId("token").value = "";
  for (const id of ["curl", "sink", "result-what", "result-expiry"]) byId(id).textContent = "";
  tell("result-status", "");
  tell("result-alert", "");
}

// ---- Revoking ------------------------------------------------------------------------------------------

function openRevoke(token, name) {
  tell("page-status", "");
  tell("page-alert", "");
  tell("revoke-status", "");
  tell("revoke-alert", "");
  state.toRevoke = { id: token.id, name };
  byId("revoke-name").textContent = name;
  byId("revoke-actor").textContent = token.actor?.username ?? userName(token.actorUrn);
  // Names need not be unique.
  const { description, createdAt, expiresAt, lastUsedAt } = token;
  byId("revoke-description").replaceChildren(...(description ? [named(description)] : []));
  byId("revoke-description").hidden = !description;
  byId("revoke-times").textContent = `Made on ${moment(createdAt)}; ` +
    (expiresAt === null ? "never expires" : `${expiresAt > now() ? "expires" : "expired"} on ${moment(expiresAt)}`) +
    (lastUsedAt === null ? "; never used." : `; last used on ${moment(lastUsedAt)}.`);
  byId("revoke-dialog").showModal();
  byId("revoke-cancel").focus();
}

async function submitRevoke() {
  if (state.revoking || !state.toRevoke) return;
  const { id, name } = state.toRevoke;
  const next = neighbour(id);
  state.revoking = true;
  busy(byId("revoke"), true);
  byId("revoke-cancel").disabled = true;
  tell("revoke-status", "");
  tell("revoke-alert", "");
  let sent = false;
  try {
    if (!(await stillMe())) return;
    sent = true;
    await graphql(REVOKE, { tokenId: id }, "revokeAccessToken");
    await revoked(next, "“", named(name), "” is revoked.");
  } catch (failure) {
    await revokeFailed(failure, sent, id, name, next);
  } finally {
    state.revoking = false;
    busy(byId("revoke"), false);
    byId("revoke-cancel").disabled = false;
  }
}

async function revoked(next, ...message) {
  byId("revoke-dialog").close();
  await noticed();
  tell("page-status", ...message);
  await loadTokens();
  focusRow(next);
}

async function revokeFailed(failure, sent, id, name, next) {
  // The service does not tell others' tokens from those that are gone, nor these from what fails inside: the list does.
  const hasAnswered = failure.kind === "refused" || failure.kind === "forbidden" || (failure.kind === "unknown" && failure.code);
  if (hasAnswered && (await isGone(id))) {
    return revoked(next, "“", named(name), "” was revoked already, or is no longer yours to revoke.");
  }
  if (failure.kind === "refused" || failure.kind === "forbidden") {
    failed(failure, "revoke-alert");
    return reloadPrivileges();
  }
  failed(failure, "revoke-alert", sent && failure.kind === "unknown"
    ? "It is not certain that the token is revoked. Try again: revoking it twice does no harm."
    : "The token is not revoked.");
}

async function isGone(id) {
  try {
    const mine = state.may.manageTokens ? [] : [{ field: "ownerOrActorUrn", values: [state.me.urn] }];
    const input = { start: 0, count: 1, filters: [{ field: "id", values: [id] }, ...mine] };
    return (await graphql(TOKENS, { input }, "listAccessTokens")).listAccessTokens.total === 0;
  } catch {
    return false;
  }
}

/** The row after the one of this token, or the one before it: where the focus goes when it is gone. */
function neighbour(id) {
  const ids = [...document.querySelectorAll("#rows button")].map((button) => button.dataset.id);
  const at = ids.indexOf(id);
  return ids[at + 1] ?? ids[at - 1];
}

function focusRow(id) {
  const button = [...document.querySelectorAll("#rows button")].find((each) => each.dataset.id === id);
  if (button) button.focus();
  else focusMain();
}

function closeRevoke() {
  const id = state.toRevoke?.id;
  byId("revoke-dialog").close();
  if (id) focusRow(id);
}

// ---- Time and words ------------------------------------------------------------------------------------

// The page is in English; of its kinds, the one that the browser prefers.
const language = navigator.language.startsWith("en") ? navigator.language : "en-GB";
const dateFormat = new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric" });
const timeFormat = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZoneName: "short" });
const distanceFormat = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const UNITS = [["year", 365 * DAY], ["month", 30 * DAY], ["day", DAY], ["hour", HOUR], ["minute", MINUTE]];

const moment = (at) => `${dateFormat.format(at)} at ${timeFormat.format(at)}`;

/** "in 6 days", "3 hours ago": what is over of a unit is left out, so that there is never less time left than it
 *  says. The unit is the greatest that there is at least one of, months from 90 days on. */
function distance(ms) {
  for (const [unit, length] of UNITS) {
    const least = unit === "month" ? 3 : 1;
    if (Math.abs(ms) < least * length) continue;
    return distanceFormat.format(Math.sign(ms) * Math.floor(Math.abs(ms) / length), unit);
  }
  return ms > 0 ? "in less than a minute" : "just now";
}

function time(at) {
  const element = make("time", { dateTime: new Date(at).toISOString() });
  element.title = `${dateFormat.format(at)}, ${timeFormat.format(at)}`;
  element.append(make("span", { textContent: distance(at - now()) }), make("span", { className: "second", textContent: dateFormat.format(at) }));
  return element;
}

/** A time that has been. The clock of the service is known to the second, so it may seem to be ahead. */
function past(at) {
  const element = time(at);
  element.dataset.past = "";
  element.firstElementChild.textContent = timeDistance(element);
  return element;
}

/** When a token expires. What is active and expires soon says so. */
function expiry(at, status) {
  const element = time(at);
  if (status === "ACTIVE") element.dataset.expiry = "";
  element.classList.toggle("soon", isSoon(element));
  return element;
}

const isSoon = (element) => "expiry" in element.dataset && Date.parse(element.dateTime) - now() < SOON;

function timeDistance(element) {
  const ms = Date.parse(element.dateTime) - now();
  return distance("past" in element.dataset ? Math.min(ms, 0) : ms);
}

/** Distances grow old while the page is open. */
function refreshTimes() {
  for (const element of document.querySelectorAll("#rows time")) {
    element.firstElementChild.textContent = timeDistance(element);
    element.classList.toggle("soon", isSoon(element));
  }
  if (byId("create-dialog").open) renderExpiry();
  // What has expired meanwhile is not shown as active.
  const isOver = [...document.querySelectorAll("#rows time[data-expiry]")].some((element) => Date.parse(element.dateTime) <= now());
  if (isOver && canReload()) loadTokens();
}

/** The lifetimes that can be asked for, the shortest first. */
function lifetimes(allowed, allowNoExpiry) {
  const found = allowed.map((iso) => ({ key: iso, ms: milliseconds(iso), input: { durationIso: iso } })).filter(({ ms }) => ms > 0);
  found.sort((one, other) => one.ms - other.ms);
  const offered = found.map((each) => ({ ...each, label: duration(each.ms) }));
  if (allowNoExpiry) offered.push({ key: "never", ms: null, label: "Never", input: { duration: "NO_EXPIRY" } });
  return offered;
}

/** Which lifetime is chosen at first: the shortest of at least a day, or else the longest. */
function preset(lifetimes) {
  const ending = lifetimes.filter(({ ms }) => ms !== null);
  return ending.find(({ ms }) => ms >= DAY) ?? ending.at(-1) ?? lifetimes[0];
}

/** A duration of ISO 8601 as the service writes them, in which a year has 365 days and a month 30. */
function milliseconds(iso) {
  const parts = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i.exec(iso);
  if (!parts) return 0;
  const lengths = [365 * DAY, 30 * DAY, 7 * DAY, DAY, HOUR, MINUTE, SECOND];
  return lengths.reduce((sum, length, index) => sum + length * Number(parts[index + 1] ?? 0), 0);
}

function duration(ms) {
  const words = [];
  for (const [unit, length] of [["year", 365 * DAY], ["day", DAY], ["hour", HOUR], ["minute", MINUTE], ["second", SECOND]]) {
    // 400 days are better said so than as a year and 35 days.
    if (unit === "year" && ms % length !== 0) continue;
    const number = unit === "second" ? ms / length : Math.floor(ms / length);
    ms -= number * length;
    if (number > 0) words.push(`${number} ${unit}${number === 1 ? "" : "s"}`);
  }
  return words.join(" ");
}

// ---- Small things --------------------------------------------------------------------------------------

function show(view) {
  for (const id of ["starting-view", "log-in-view", "tokens-view"]) byId(id).hidden = id !== view;
}

/** Says something in a live region, in one or more parts; nothing takes back what was said. */
function tell(id, ...parts) {
  byId(id).replaceChildren(...parts.filter((part) => part !== ""));
}

/** A moment in which what was behind a dialog is there again for who does not see the page, before it says something. */
const noticed = () => new Promise((resume) => setTimeout(resume, 50));

/** Says why something was not done. Who is logged out is asked to log in, over what is open. */
function failed(failure, alert, what = "") {
  if (!(failure instanceof Failure)) {
    console.error(failure);
    failure = new Failure("refused", "Something went wrong on this page.");
  }
  tell(alert, `${what} ${failure.message}`.trim());
  if (failure.kind === "unauthenticated") logInAgain();
}

function fieldError(field, message) {
  byId(`${field}-error`).textContent = message;
  byId(field).toggleAttribute("aria-invalid", false);
  if (message) byId(field).setAttribute("aria-invalid", "true");
}

/** Whether the list is what somebody looks at: then it may be loaded without being asked to. */
const canReload = () =>
  state.me !== null && document.visibilityState === "visible" && !openDialog() && !byId("tokens-view").hidden;

/** Puts the focus on what is most likely wanted next, and where that cannot be pressed, at the top. */
function focusMain() {
  const generate = byId("generate");
  (generate.hidden || generate.disabled ? byId("heading") : generate).focus();
}

/** The dialog that is in front, if there is one. */
const openDialog = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? null;

const isBusy = (button) => button.getAttribute("aria-busy") === "true";
const busy = (button, is) => is ? button.setAttribute("aria-busy", "true") : button.removeAttribute("aria-busy");

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A text from outside: shown in its own direction, and where it is cut, whole in its title. */
const text = (value, className) => make("bdi", { className, textContent: value, title: value });
const dash = () => make("span", { className: "faint", textContent: "–" });

function cell(label, className, content) {
  const element = withRole("cell", make("td", { className }, content));
  element.dataset.label = label;
  return element;
}

function withRole(role, element) {
  element.setAttribute("role", role);
  return element;
}

const clipped = (value) => [...value].length > 80 ? `${[...value].slice(0, 79).join("")}…` : value;

/** Without the characters that turn the direction of what is around a text. */
const straight = (value) => value.replace(/[\u202a-\u202e\u2066-\u2069]/g, "");

/** A name from outside, for the middle of a message: it does not turn the words around it. */
const named = (value) => make("bdi", { textContent: straight(clipped(value)) });

/** The same where there are no elements: between U+2068 and U+2069. */
const isolated = (value) => `\u2068${straight(value)}\u2069`;

/** Who this is, in one line: what they call themselves, and who it really is. */
const whole = (shown, username) => shown === username ? isolated(username) : `${isolated(shown)} (${isolated(username)})`;

/** The user name in the urn of a user or service account. */
const userName = (urn) => urn.replace(/^urn:li:corpuser:/, "");

/** Capitalises and ends a message of the service. */
function sentence(message) {
  if (typeof message !== "string" || !message) return "";
  const begun = message[0].toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** Calls a function when nothing has happened for a moment. */
function later(call, delay = SEARCH_DELAY) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, delay);
  };
}

// ---- What happens when -----------------------------------------------------------------------------------

/** Escape and other ways to leave a dialog call what leaves it, if that may be now. A browser lets a page prevent
 *  `cancel` only once and then closes the dialog: with the key itself prevented, it never gets that far. */
function listenForLeaving(leave) {
  addEventListener("keydown", (event) => {
    const dialog = openDialog();
    if (event.key !== "Escape" || event.isComposing || !dialog) return;
    event.preventDefault();
    leave[dialog.id]();
  });
  for (const [id, call] of Object.entries(leave)) {
    byId(id).addEventListener("cancel", (event) => {
      event.preventDefault();
      call();
    });
  }
}

function listen() {
  const on = (id, event, call) => byId(id).addEventListener(event, call);
  on("log-in-form", "submit", submitLogIn);
  on("go-on", "click", goOn);
  on("log-out", "click", logOut);
  on("log-in-cancel", "click", closeLogIn);
  on("log-in-dialog", "close", () => { byId("password").value = ""; });
  on("start-again", "click", startAgain);

  on("filters", "submit", (event) => { event.preventDefault(); fromFirstPage(); });
  on("search", "input", later(fromFirstPage));
  on("status", "change", fromFirstPage);
  on("owner", "change", fromFirstPage);
  on("owner", "input", later(fromFirstPage, 2 * SEARCH_DELAY));
  on("clear-filters", "click", () => { byId("filters").reset(); byId("search").focus(); fromFirstPage(); });
  for (const header of document.querySelectorAll("th[data-sort]")) {
    header.firstElementChild.addEventListener("click", () => sortBy(header.dataset.sort));
  }
  on("previous", "click", () => turnPage(-1));
  on("next", "click", () => turnPage(1));

  on("generate", "click", openCreate);
  on("create-form", "submit", submitCreate);
  on("create-cancel", "click", closeCreate);
  on("kind-field", "change", renderKind);
  on("service-account-again", "click", () => {
    byId("service-account").focus();
    tell("create-alert", "");
    loadServiceAccounts();
  });
  on("expires-in", "change", renderExpiry);
  for (const field of ["name", "description", "acts-as", "service-account", "expires-in"]) on(field, "input", () => fieldError(field, ""));

  on("copy-token", "click", () => copy(byId("token").value, "Token", byId("token")));
  on("copy-curl", "click", () => copy(byId("curl").textContent, "Curl command", byId("curl")));
  on("copy-sink", "click", () => copy(byId("sink").textContent, "Ingestion sink", byId("sink")));
  on("token", "focus", () => byId("token").select());
  on("result-close", "click", closeResult);
  on("result-dialog", "close", clearResult);

  on("revoke", "click", submitRevoke);
  on("revoke-cancel", "click", closeRevoke);

  listenForLeaving({
    "create-dialog": () => { if (!state.creating) closeCreate(); },
    "result-dialog": cancelResult,
    "revoke-dialog": () => { if (!state.revoking) closeRevoke(); },
    "log-in-dialog": closeLogIn,
  });

  suggest(byId("owner"), byId("owner-list"));
  suggest(byId("acts-as"), byId("acts-as-list"));
  setInterval(refreshTimes, 30 * SECOND);

  // Nothing of a token stays in a page that the browser keeps for its back button.
  addEventListener("pagehide", () => { clearResult(); byId("password").value = ""; });
  addEventListener("pageshow", (event) => { if (event.persisted) { forget(); start(); } });
  document.addEventListener("visibilitychange", () => {
    if (now() - state.loadedAt > 10 * SECOND && canReload()) loadTokens();
  });
}

listen();
start();
