use super::error::BadRequest;

/// Which part of a list is asked for. How much that may be is a matter of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) start: u32,
    pub(super) count: u32,
}

impl Page {
    /// From the arguments, by DataHub's defaults: the first 20.
    pub(super) fn of(start: Option<i32>, count: Option<i32>) -> Result<Self, BadRequest> {
        let natural = |what: &str, value: Option<i32>, default: u32| match value {
            None => Ok(default),
            Some(value) => u32::try_from(value)
                .map_err(|_| BadRequest::new(format!("{what} must not be negative"))),
        };
        Ok(Self { start: natural("start", start, 0)?, count: natural("count", count, 20)? })
    }

    /// The page's size and place, as answers repeat them.
    pub(super) fn start(self) -> i32 {
        int(u64::from(self.start))
    }

    pub(super) fn count(self) -> i32 {
        int(u64::from(self.count))
    }
}

/// A number in an answer. More than an `Int` can say is the most that it can say.
pub(super) fn int(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A text to look for: nothing and DataHub's `*` stand for everything.
pub(super) fn text(query: Option<String>) -> Option<String> {
    query.filter(|query| !matches!(query.trim(), "" | "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_first_twenty_unless_it_is_said() {
        assert_eq!(Page::of(None, None).unwrap(), Page { start: 0, count: 20 });
        let all = Page::of(Some(i32::MAX), Some(0)).unwrap();
        assert_eq!((all.start(), all.count()), (i32::MAX, 0));
        assert_eq!(Page::of(Some(-1), None).unwrap_err().0, "start must not be negative");
        assert_eq!(Page::of(None, Some(i32::MIN)).unwrap_err().0, "count must not be negative");
        assert_eq!(int(u64::MAX), i32::MAX);
    }

    #[test]
    fn a_star_stands_for_everything() {
        for all in [None, Some(""), Some(" "), Some("*")] {
            assert_eq!(text(all.map(str::to_owned)), None);
        }
        assert_eq!(text(Some("a*".to_owned())).as_deref(), Some("a*"));
    }
}
