//! Texts that PostgreSQL does not take as they are: it has none with a NUL in it.
//!
//! The first three characters, of which nobody's text has any but by mistake or malice, are written
//! as four characters each, all other texts as they are. That keeps the order of texts, and what is
//! in a text, at its start or at its end: the order of the three is kept, and none of the words
//! occurs in a text but where it was written, since two characters make them all up, and each word
//! begins with the one and ends with the other.

use std::borrow::Cow;

use crate::backend::StoreError;

/// How `text` is stored.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}', '\u{2}']) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 3);
    for character in text.chars() {
        match WORDS.iter().find(|(read, _)| *read == character) {
            Some((_, word)) => stored.push_str(word),
            None => stored.push(character),
        }
    }
    Cow::Owned(stored)
}

/// The text that is stored so in `column`.
pub(super) fn read(stored: &str, column: &'static str) -> Result<String, StoreError> {
    let mut text = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some(at) = rest.find(['\u{1}', '\u{2}']) {
        let (plain, coded) = rest.split_at(at);
        text.push_str(plain);
        let (character, behind) = WORDS
            .iter()
            .find_map(|(read, word)| Some((*read, coded.strip_prefix(word)?)))
            .ok_or(StoreError::Corrupt { what: column, source: None })?;
        text.push(character);
        rest = behind;
    }
    text.push_str(rest);
    Ok(text)
}

const WORDS: [(char, &str); 3] = [
    ('\0', "\u{1}\u{1}\u{1}\u{2}"),
    ('\u{1}', "\u{1}\u{1}\u{2}\u{2}"),
    ('\u{2}', "\u{1}\u{2}\u{2}\u{2}"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_without_them_is_stored_as_it_is() {
        for text in ["", "laptop", "a\tb\u{3}å"] {
            assert!(matches!(stored(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_nobody_has_written_is_corrupt() {
        for text in ["\u{1}", "\u{2}", "a\u{1}\u{1}\u{1}", "\u{1}\u{2}\u{1}\u{2}"] {
            assert!(read(text, "tokens.name").is_err());
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec!['\0', '\u{1}', '\u{2}', '\u{3}', 'a']),
            0..6,
        )
        .prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_it_was_stored_and_compares_as_before(a in text(), b in text()) {
            let (stored_a, stored_b) = (stored(&a), stored(&b));
            prop_assert!(!stored_a.contains('\0'));
            prop_assert_eq!(&read(&stored_a, "").unwrap(), &a);
            prop_assert_eq!(stored_a.cmp(&stored_b), a.cmp(&b));
            prop_assert_eq!(stored_a.contains(&*stored_b), a.contains(&b));
            prop_assert_eq!(stored_a.starts_with(&*stored_b), a.starts_with(&b));
            prop_assert_eq!(stored_a.ends_with(&*stored_b), a.ends_with(&b));
        }
    }
}
