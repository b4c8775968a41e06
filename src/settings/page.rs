/// How people log in, as the page tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogIn {
    /// Where they usually do, which the page does not know.
    #[default]
    None,
    /// By a form on the page, which posts user name and password as JSON, and a button that logs out.
    Form {
        /// The path of log-in, such as `/logIn`.
        log_in: String,
        /// The path of log-out, such as `/logOut`.
        log_out: String,
    },
    /// On another page, which the page links to, by its address.
    At(String),
}

impl LogIn {
    /// A form on the page, with the paths of log-in and log-out as the browser sees them.
    #[must_use]
    pub fn form(log_in: impl Into<String>, log_out: impl Into<String>) -> Self {
        Self::Form { log_in: log_in.into(), log_out: log_out.into() }
    }
}

/// What a deployment chose of the page.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    pub(super) public_path: String,
    pub(super) graphql_path: String,
    pub(super) log_in: LogIn,
    pub(super) metadata_service: String,
    pub(super) contact: String,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            public_path: "/settings/tokens".to_owned(),
            graphql_path: "/api/graphql".to_owned(),
            log_in: LogIn::None,
            metadata_service: String::new(),
            contact: "your DataHub administrator".to_owned(),
        }
    }
}

impl Choices {
    /// The page's HTML.
    pub(super) fn page(&self) -> String {
        fill(PAGE, |name| self.value(name).unwrap_or_default())
    }

    fn value(&self, name: &str) -> Option<&str> {
        let (kind, log_in, log_out) = match &self.log_in {
            LogIn::None => ("none", "", ""),
            LogIn::Form { log_in, log_out } => ("form", log_in.as_str(), log_out.as_str()),
            LogIn::At(url) => ("link", url.as_str(), ""),
        };
        Some(match name {
            "path" => &self.public_path,
            "graphql-path" => &self.graphql_path,
            "log-in" => kind,
            "log-in-path" => log_in,
            "log-out-path" => log_out,
            "metadata-service" => &self.metadata_service,
            "contact" => &self.contact,
            _ => return None,
        })
    }
}

/// Puts a value for each `{{name}}`, escaped. What is put in is not looked at again.
fn fill<'v>(template: &str, value: impl Fn(&str) -> &'v str) -> String {
    let mut filled = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        escape(&mut filled, value(name));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Writes a text so that it is one in HTML, in attributes in quotes as well.
fn escape(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            character => html.push(character),
        }
    }
}

const PAGE: &str = include_str!("page.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_page_is_known() {
        let choices = Choices::default();
        let names: Vec<_> =
            PAGE.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).collect();
        assert!(names.len() >= 7, "{names:?}");
        for name in names {
            assert!(choices.value(name).is_some(), "{name}");
        }
        let page = choices.page();
        assert!(!page.contains("{{") && !page.contains("}}"));
        assert!(page.contains("src=\"/settings/tokens/settings.js\""), "{page}");
        assert!(page.contains("data-log-in=\"none\""));
    }

    #[test]
    fn values_are_texts_and_nothing_else() {
        let hostile = "\"><script>alert('1')</script>&amp;{{contact}}";
        let page = Choices { contact: hostile.to_owned(), ..Choices::default() }.page();
        let escaped = "data-contact=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\
                       &amp;amp;{{contact}}\"";
        assert!(page.contains(escaped), "{page}");
        assert!(!page.contains("<script>"));
    }

    #[test]
    fn what_has_no_end_is_no_fault() {
        assert_eq!(fill("a {{b", |_| "<"), "a &lt;");
        assert_eq!(fill("}}{{}}", |name| name_of(name)), "}}empty");
        fn name_of(name: &str) -> &'static str {
            if name.is_empty() { "empty" } else { "other" }
        }
    }

    /// The strict policy that the page is served with would not let them through.
    #[test]
    fn nothing_is_inline() {
        let lower = PAGE.to_ascii_lowercase();
        for inline in ["<style", "style=", "javascript:", "http:", "https:"] {
            assert!(!lower.contains(inline), "{inline}");
        }
        assert_eq!(lower.matches("<script").count(), 1);
        let handlers =
            lower.split_whitespace().filter(|word| word.starts_with("on") && word.contains('='));
        assert_eq!(handlers.collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
