//! What texts and pages may be, whoever asks.

use super::AccessError;

/// Refuses a text with fewer than `least` or more than `most` characters, and one of nothing but
/// blanks. Characters are Unicode scalar values; the text itself is left as it is.
fn text(what: &'static str, value: &str, least: usize, most: usize) -> Result<(), AccessError> {
    let fits = (least..=most).contains(&value.chars().count());
    if fits && (least == 0 || !value.trim().is_empty()) {
        return Ok(());
    }
    Err(AccessError::Text { what, least, most })
}

/// The name of a token: DataHub's user interface has the same bounds, its server none.
pub(super) fn token_name(name: &str) -> Result<(), AccessError> {
    text("The name of an access token", name, 1, 50)
}

/// What a token or a service account is for. May be blank.
pub(super) fn description(description: Option<&str>) -> Result<(), AccessError> {
    text("A description", description.unwrap_or_default(), 0, 500)
}

/// The name to show of a service account.
pub(super) fn display_name(name: &str) -> Result<(), AccessError> {
    text("The name of a service account", name, 1, 255)
}

/// Refuses what would make a store read or skip too much.
pub(super) fn page(start: u32, count: u32) -> Result<(), AccessError> {
    if count > MAX_COUNT {
        return Err(AccessError::Page { what: "count", most: MAX_COUNT });
    }
    if start > MAX_START {
        return Err(AccessError::Page { what: "start", most: MAX_START });
    }
    Ok(())
}

const MAX_COUNT: u32 = 1_000;
const MAX_START: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert!(token_name(&"é".repeat(50)).is_ok());
        assert!(token_name(&"😀".repeat(50)).is_ok());
        assert!(token_name(&"a".repeat(51)).is_err());
        // Two scalar values that are shown as one.
        assert!(token_name(&"e\u{301}".repeat(26)).is_err());
    }

    #[test]
    fn a_name_is_not_blank_and_a_description_may_be() {
        for blank in ["", " ", "\t\n", "\u{a0}\u{2003}"] {
            assert!(token_name(blank).is_err(), "{blank:?}");
            assert!(display_name(blank).is_err(), "{blank:?}");
            assert!(description(Some(blank)).is_ok(), "{blank:?}");
        }
        assert!(description(None).is_ok());
        assert!(description(Some(&"é".repeat(500))).is_ok());
        assert!(description(Some(&"é".repeat(501))).is_err());
        assert!(display_name(&"é".repeat(255)).is_ok());
        assert!(display_name(&"é".repeat(256)).is_err());
    }

    #[test]
    fn pages_are_bounded() {
        assert!(page(0, 0).is_ok() && page(10_000_000, 1_000).is_ok());
        let told = |start, count| page(start, count).unwrap_err().to_string();
        assert_eq!(told(0, 1_001), "count must be at most 1000");
        assert_eq!(told(u32::MAX, 1), "start must be at most 10000000");
    }
}
