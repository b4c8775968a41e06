//! What is looked at before a document is parsed.

use async_graphql::ServerError;

use super::NESTING;
use crate::graphql::error;

/// How many words and signs a document may have: parsing makes much more of each than it is.
const MOST_TOKENS: usize = 15_000;

/// How long a name may be: errors repeat names, some of them several times.
const LONGEST_NAME: usize = 255;

/// Refuses a text that is too long for a query, in words and signs, or in a name, or of which the
/// brackets are nested too deep.
pub(in crate::graphql) fn check_text(query: &str) -> Result<(), ServerError> {
    let mut rest = query;
    let mut depth = 0_usize;
    let mut tokens = 0_usize;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        if !is_ignored(character) {
            tokens += 1;
            if tokens > MOST_TOKENS {
                let message = format!("maximum query length exceeded: {MOST_TOKENS} tokens");
                return Err(error::aborted(message, None));
            }
        }
        rest = match character {
            '{' | '[' | '(' => {
                depth += 1;
                if depth > NESTING {
                    return Err(error::aborted(
                        format!("maximum nesting exceeded {depth} > {NESTING}"),
                        None,
                    ));
                }
                after
            }
            '}' | ']' | ')' => {
                depth = depth.saturating_sub(1);
                after
            }
            '#' => after.trim_start_matches(|c| c != '\n' && c != '\r'),
            '"' => match after.strip_prefix("\"\"") {
                Some(block) => block_string_end(block),
                None => string_end(after),
            },
            '.' => after.strip_prefix("..").unwrap_or(after),
            _ if is_of_name(character) => {
                let after = rest.trim_start_matches(is_of_name);
                let length = rest.len() - after.len();
                if length > LONGEST_NAME {
                    let message = format!("maximum length of a name exceeded: {LONGEST_NAME}");
                    return Err(error::aborted(message, None));
                }
                after
            }
            _ => after,
        };
    }
    Ok(())
}

/// Whether a character means nothing between others. A comment counts as one sign.
fn is_ignored(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}')
}

/// Names and numbers.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// What is behind a string, or behind the line in which it is not ended.
fn string_end(text: &str) -> &str {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' | '\n' | '\r' => return text.get(at + 1..).unwrap_or_default(),
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    ""
}

fn block_string_end(mut text: &str) -> &str {
    while let Some((before, after)) = text.split_once("\"\"\"") {
        if !before.ends_with('\\') {
            return after;
        }
        text = after;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_refused_before_it_is_parsed() {
        for (open, close) in [("{", "}"), ("[", "]"), ("(", ")"), ("{a:[", "]}")] {
            let nested = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
            assert!(check_text(&nested).is_err(), "{open}");
            assert!(check_text(&format!("# no comment\r{nested}")).is_err(), "{open}");
            assert!(check_text(&format!("\"a\\\"\" \"\"\"b\\\"\"\"c\"\"\" {nested}")).is_err());
            assert!(check_text(&format!("\"not ended\n{nested}")).is_err(), "{open}");
            // What is no bracket does not count.
            for text in ["# {}", "\"{}\"", "\"\"\"\n{}\"\"\"", "\"\\\\\" # {}"] {
                let text = text.replace("{}", &nested);
                assert!(check_text(&text).is_ok(), "{open}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_parsed() {
        let told = |query: &str| check_text(query).map_err(|error| error.message);
        let tokens = Err("maximum query length exceeded: 15000 tokens".to_owned());
        for piece in ["a ", "1 ", "!", "...", "\"a\"", "\"\"\"a\"\"\"", "{}", "#\n", "é", "$a"] {
            let most = MOST_TOKENS / check_count(piece);
            assert_eq!(told(&piece.repeat(most)), Ok(()), "{piece}");
            assert_eq!(told(&piece.repeat(most + 1)), tokens, "{piece}");
        }
        assert_eq!(told(&" ,\t\n\r\u{feff}".repeat(20_000)), Ok(()));
        let name = "a".repeat(LONGEST_NAME);
        assert_eq!(told(&format!("{{ {name} ${name} @{name} }}")), Ok(()));
        let name = Err("maximum length of a name exceeded: 255".to_owned());
        for place in ["{ ~ }", "{ ...~ }", "query (~: Int) { a }", "{ a @~ }", "{ a(b: [~]) }"] {
            assert_eq!(told(&place.replace('~', &"a".repeat(LONGEST_NAME + 1))), name, "{place}");
        }
        assert_eq!(told(&format!("\"{}\"", "a".repeat(1_000))), Ok(()), "a text is no name");
    }

    fn check_count(piece: &str) -> usize {
        if matches!(piece, "{}" | "$a") { 2 } else { 1 }
    }
}
