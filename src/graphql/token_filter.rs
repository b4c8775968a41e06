//! Filters of a list of tokens, as DataHub's clients write them.

use super::{
    error::{BadRequest, excerpt},
    facet::{FacetFilterInput, FilterOperator, SortCriterion, SortOrder},
};
use crate::{
    actor::Urn,
    clock::Timestamp,
    token::TokenId,
    token_service::{
        TextTest, TimeTest, TokenFilter, TokenOptional, TokenQuery, TokenSort, TokenTextField,
        TokenTimeField,
    },
};

/// How many filters a list may have, and how many values in all of them: the store writes each
/// into its query.
const MOST_FILTERS: usize = 20;
const MOST_VALUES: usize = 500;

/// What must all hold at the time `now`, one for each of the client's.
pub(super) fn filters(
    facets: Vec<FacetFilterInput>,
    now: Timestamp,
) -> Result<Vec<TokenFilter>, BadRequest> {
    let values: usize = facets.iter().map(|facet| facet.values.as_ref().map_or(1, Vec::len)).sum();
    if facets.len() > MOST_FILTERS || values > MOST_VALUES {
        return Err(BadRequest::new(format!(
            "a list has at most {MOST_FILTERS} filters, with at most {MOST_VALUES} values"
        )));
    }
    facets.into_iter().map(|facet| filter(facet, now)).collect()
}

fn filter(facet: FacetFilterInput, now: Timestamp) -> Result<TokenFilter, BadRequest> {
    // DataHub's search index has a field of this name beside each text.
    let name = facet.field.strip_suffix(".keyword").unwrap_or(&facet.field);
    let field = Field::named(name).ok_or_else(|| {
        BadRequest::new(format!(
            "access tokens are not filtered by {:?}, but by one of {}",
            excerpt(&facet.field),
            Field::ALL.map(|(name, _)| name).join(", ")
        ))
    })?;
    let condition = facet.condition.unwrap_or_default();
    // The newer field wins, as in DataHub.
    let values = facet.values.or_else(|| facet.value.map(|value| vec![value]));
    let filter = match (condition, values) {
        (FilterOperator::Exists, _) => field.exists(),
        (_, Some(values)) => field.filter(name, condition, values, now)?,
        (_, None) => {
            return Err(BadRequest::new(format!("the filter by {name} has no values")));
        }
    };
    Ok(if facet.negated == Some(true) { TokenFilter::Not(Box::new(filter)) } else { filter })
}

/// A field that tokens are filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Urn(TokenTextField),
    /// Who made it, or who it acts as.
    EitherUrn,
    Text(TokenTextField),
    /// Name or description.
    Query,
    Time(TokenTimeField),
    /// Whether it is over.
    Status,
}

impl Field {
    const ALL: [(&str, Self); 10] = [
        ("id", Self::Id),
        ("name", Self::Text(TokenTextField::Name)),
        ("description", Self::Text(TokenTextField::Description)),
        ("actorUrn", Self::Urn(TokenTextField::Actor)),
        ("ownerUrn", Self::Urn(TokenTextField::Owner)),
        ("ownerOrActorUrn", Self::EitherUrn),
        ("query", Self::Query),
        ("status", Self::Status),
        ("createdAt", Self::Time(TokenTimeField::CreatedAt)),
        ("expiresAt", Self::Time(TokenTimeField::ExpiresAt)),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    /// That the field is there. Most are always.
    fn exists(self) -> TokenFilter {
        match self {
            Self::Time(TokenTimeField::ExpiresAt) => TokenFilter::Has(TokenOptional::ExpiresAt),
            Self::Text(TokenTextField::Description) => TokenFilter::Has(TokenOptional::Description),
            _ => TokenFilter::AllOf(Vec::new()),
        }
    }

    fn filter(
        self,
        name: &str,
        condition: FilterOperator,
        values: Vec<String>,
        now: Timestamp,
    ) -> Result<TokenFilter, BadRequest> {
        use FilterOperator as Op;

        let unfit =
            || BadRequest::new(format!("{name} is not compared by {}", condition_name(condition)));
        match self {
            Self::Id => match condition {
                Op::Equal | Op::In => Ok(TokenFilter::Id(ids(&values)?)),
                _ => Err(unfit()),
            },
            // A plain comparison is kept plain: by it, somebody asks for their own tokens.
            Self::Urn(field) if matches!(condition, Op::Equal | Op::In) => {
                let urns = urns(name, &values)?;
                Ok(match field {
                    TokenTextField::Owner => TokenFilter::Owner(urns),
                    _ => TokenFilter::Actor(urns),
                })
            }
            Self::EitherUrn => match condition {
                Op::Equal | Op::In => {
                    let urns = urns(name, &values)?;
                    Ok(TokenFilter::AnyOf(vec![
                        TokenFilter::Owner(urns.clone()),
                        TokenFilter::Actor(urns),
                    ]))
                }
                _ => Err(unfit()),
            },
            Self::Query => match condition {
                Op::Contain => Ok(any(values.into_iter().flat_map(|value| {
                    [TokenTextField::Name, TokenTextField::Description]
                        .map(|field| TokenFilter::text(field, TextTest::Contains, value.clone()))
                }))),
                _ => Err(unfit()),
            },
            Self::Status => match condition {
                Op::Equal | Op::In => {
                    let statuses: Vec<_> =
                        values.iter().map(|value| status(value, now)).collect::<Result<_, _>>()?;
                    Ok(any(statuses.into_iter()))
                }
                _ => Err(unfit()),
            },
            Self::Text(field) | Self::Urn(field) => {
                let test = match condition {
                    Op::Equal | Op::In => TextTest::Equals,
                    Op::Iequal => TextTest::EqualsIgnoreCase,
                    Op::Contain => TextTest::Contains,
                    Op::StartWith => TextTest::StartsWith,
                    Op::EndWith => TextTest::EndsWith,
                    _ => return Err(unfit()),
                };
                Ok(any(values.into_iter().map(|value| TokenFilter::text(field, test, value))))
            }
            Self::Time(field) => {
                let test = match condition {
                    Op::Equal | Op::In | Op::Iequal => TimeTest::At,
                    Op::GreaterThan => TimeTest::After,
                    Op::GreaterThanOrEqualTo => TimeTest::AtOrAfter,
                    Op::LessThan => TimeTest::Before,
                    Op::LessThanOrEqualTo => TimeTest::AtOrBefore,
                    _ => return Err(unfit()),
                };
                let times: Vec<_> =
                    values.iter().map(|value| time(name, value)).collect::<Result<_, _>>()?;
                Ok(any(times.into_iter().map(|at| TokenFilter::time(field, test, at))))
            }
        }
    }
}

/// One of these; a single one is itself.
fn any(filters: impl Iterator<Item = TokenFilter>) -> TokenFilter {
    let mut filters: Vec<_> = filters.collect();
    match (filters.pop(), filters.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            filters.extend(last);
            TokenFilter::AnyOf(filters)
        }
    }
}

fn ids(values: &[String]) -> Result<Vec<TokenId>, BadRequest> {
    let id = |value: &String| value.parse().map_err(|error| BadRequest::new(format!("{error}")));
    values.iter().map(id).collect()
}

fn urns(name: &str, values: &[String]) -> Result<Vec<Urn>, BadRequest> {
    let urn = |value: &String| {
        value.parse().map_err(|error| BadRequest::new(format!("{name} is not a urn: {error}")))
    };
    values.iter().map(urn).collect()
}

/// What is so by the clock of the server. What was revoked is in no list.
fn status(value: &str, now: Timestamp) -> Result<TokenFilter, BadRequest> {
    match value {
        "ACTIVE" => Ok(TokenFilter::Not(Box::new(TokenFilter::over(now)))),
        "EXPIRED" => Ok(TokenFilter::over(now)),
        other => Err(BadRequest::new(format!(
            "status is compared with ACTIVE and EXPIRED, and not with {:?}",
            excerpt(other)
        ))),
    }
}

fn time(name: &str, value: &str) -> Result<Timestamp, BadRequest> {
    value.parse().map(Timestamp::from_millis).map_err(|_| {
        BadRequest::new(format!("{name} is compared with milliseconds since the Unix epoch"))
    })
}

/// A query sorted as the client wants it.
pub(super) fn sorted(query: TokenQuery, by: &SortCriterion) -> Result<TokenQuery, BadRequest> {
    let sort = match by.field.as_str() {
        "expiresAt" => TokenSort::ExpiresAt,
        "createdAt" => TokenSort::CreatedAt,
        "name" => TokenSort::Name,
        "lastUsedAt" => TokenSort::LastUsedAt,
        other => {
            return Err(BadRequest::new(format!(
                "access tokens are not sorted by {:?}, but by one of expiresAt, createdAt, name, \
                 lastUsedAt",
                excerpt(other)
            )));
        }
    };
    Ok(match by.sort_order {
        SortOrder::Ascending => query.ascending(sort),
        SortOrder::Descending => query.descending(sort),
    })
}

fn condition_name(condition: FilterOperator) -> String {
    match async_graphql::InputType::to_value(&condition) {
        async_graphql::Value::Enum(name) => name.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facet(field: &str, condition: Option<FilterOperator>, values: &[&str]) -> FacetFilterInput {
        FacetFilterInput {
            field: field.to_owned(),
            condition,
            values: Some(values.iter().map(|&value| value.to_owned()).collect()),
            ..FacetFilterInput::default()
        }
    }

    fn one(facet: FacetFilterInput) -> Result<TokenFilter, String> {
        filters(vec![facet], NOW).map(|mut filters| filters.remove(0)).map_err(|error| error.0)
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn alice() -> Urn {
        Urn::corpuser("alice").unwrap()
    }

    #[test]
    fn plain_comparisons_with_a_urn_stay_plain() {
        let urn = "urn:li:corpuser:alice";
        for condition in [None, Some(FilterOperator::Equal), Some(FilterOperator::In)] {
            let owner = one(facet("ownerUrn", condition, &[urn]));
            assert_eq!(owner, Ok(TokenFilter::Owner(vec![alice()])));
            let actor = one(facet("actorUrn.keyword", condition, &[urn]));
            assert_eq!(actor, Ok(TokenFilter::Actor(vec![alice()])));
        }
        let old = FacetFilterInput {
            field: "ownerUrn".to_owned(),
            value: Some(urn.to_owned()),
            ..FacetFilterInput::default()
        };
        assert_eq!(one(old.clone()), Ok(TokenFilter::Owner(vec![alice()])));
        let both = FacetFilterInput { values: Some(Vec::new()), ..old.clone() };
        assert_eq!(one(both), Ok(TokenFilter::Owner(Vec::new())), "the newer one wins");
        let negated = FacetFilterInput { negated: Some(true), ..old.clone() };
        let not = TokenFilter::Not(Box::new(TokenFilter::Owner(vec![alice()])));
        assert_eq!(one(negated), Ok(not));
        let plain = FacetFilterInput { negated: Some(false), ..old };
        assert_eq!(one(plain), Ok(TokenFilter::Owner(vec![alice()])));
    }

    #[test]
    fn every_condition_is_either_understood_or_refused() {
        use FilterOperator as Op;

        let conditions = [
            Op::Contain,
            Op::Equal,
            Op::Iequal,
            Op::In,
            Op::Exists,
            Op::GreaterThan,
            Op::GreaterThanOrEqualTo,
            Op::LessThan,
            Op::LessThanOrEqualTo,
            Op::StartWith,
            Op::EndWith,
            Op::DescendantsIncl,
            Op::AncestorsIncl,
            Op::RelatedIncl,
        ];
        let id = TokenId::from_bytes([7; 32]).to_string();
        let understood: Vec<(&str, String)> = [
            ("id", id.as_str()),
            ("name", "x"),
            ("description", "x"),
            ("actorUrn", "urn:li:corpuser:alice"),
            ("ownerUrn", "urn:li:corpuser:alice"),
            ("ownerOrActorUrn", "urn:li:corpuser:alice"),
            ("query", "x"),
            ("status", "ACTIVE"),
            ("createdAt", "7"),
            ("expiresAt", "7"),
        ]
        .into_iter()
        .map(|(field, value)| {
            let signs =
                conditions.map(|condition| match one(facet(field, Some(condition), &[value])) {
                    Ok(_) => '+',
                    Err(told) => {
                        assert!(told.starts_with(field), "{told}");
                        '-'
                    }
                });
            (field, signs.iter().collect())
        })
        .collect();
        let expected = [
            ("id", "-+-++---------"),
            ("name", "+++++----++---"),
            ("description", "+++++----++---"),
            ("actorUrn", "+++++----++---"),
            ("ownerUrn", "+++++----++---"),
            ("ownerOrActorUrn", "-+-++---------"),
            ("query", "+---+---------"),
            ("status", "-+-++---------"),
            ("createdAt", "-++++++++-----"),
            ("expiresAt", "-++++++++-----"),
        ]
        .map(|(field, signs)| (field, signs.to_owned()));
        assert_eq!(understood, expected);
    }

    #[test]
    fn conditions_mean_what_they_say() {
        use FilterOperator as Op;

        let name =
            |condition, values: &[&str]| one(facet("name", Some(condition), values)).unwrap();
        let text = |test, value: &str| TokenFilter::text(TokenTextField::Name, test, value);
        assert_eq!(name(Op::Contain, &["a"]), text(TextTest::Contains, "a"));
        assert_eq!(name(Op::Iequal, &["a"]), text(TextTest::EqualsIgnoreCase, "a"));
        assert_eq!(name(Op::StartWith, &["a"]), text(TextTest::StartsWith, "a"));
        assert_eq!(name(Op::EndWith, &["a"]), text(TextTest::EndsWith, "a"));
        let either = vec![text(TextTest::Equals, "a"), text(TextTest::Equals, "b")];
        assert_eq!(name(Op::In, &["a", "b"]), TokenFilter::AnyOf(either));
        assert_eq!(name(Op::Equal, &[]), TokenFilter::AnyOf(Vec::new()), "none of nothing");
        let expires = |condition| one(facet("expiresAt", Some(condition), &["-7"])).unwrap();
        let at = Timestamp::from_millis(-7);
        let time = |test| TokenFilter::time(TokenTimeField::ExpiresAt, test, at);
        assert_eq!(expires(Op::LessThan), time(TimeTest::Before));
        assert_eq!(expires(Op::LessThanOrEqualTo), time(TimeTest::AtOrBefore));
        assert_eq!(expires(Op::Equal), time(TimeTest::At));
        assert_eq!(expires(Op::GreaterThanOrEqualTo), time(TimeTest::AtOrAfter));
        assert_eq!(expires(Op::GreaterThan), time(TimeTest::After));
        assert_eq!(expires(Op::Exists), TokenFilter::Has(TokenOptional::ExpiresAt));
        assert_eq!(name(Op::Exists, &[]), TokenFilter::AllOf(Vec::new()));
    }

    #[test]
    fn a_status_is_of_the_moment() {
        let one = |values: &[&str], negated| {
            let facet = FacetFilterInput { negated, ..facet("status", None, values) };
            one(facet).unwrap()
        };
        let over = || TokenFilter::EndsBefore(Timestamp::from_millis(1_001));
        let active = || TokenFilter::Not(Box::new(over()));
        assert_eq!(one(&["EXPIRED"], None), over());
        assert_eq!(one(&["ACTIVE"], Some(false)), active());
        assert_eq!(one(&["ACTIVE"], Some(true)), TokenFilter::Not(Box::new(active())));
        assert_eq!(one(&["ACTIVE", "EXPIRED"], None), TokenFilter::AnyOf(vec![active(), over()]));
    }

    #[test]
    fn a_query_looks_into_names_and_descriptions() {
        let looked = one(facet("query", Some(FilterOperator::Contain), &["a"]));
        let in_field = |field| TokenFilter::text(field, TextTest::Contains, "a");
        let either = [TokenTextField::Name, TokenTextField::Description].map(in_field);
        assert_eq!(looked, Ok(TokenFilter::AnyOf(either.into())));
        let told = one(facet("query", None, &["a"])).unwrap_err();
        assert_eq!(told, "query is not compared by EQUAL");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (field, value) in [
            ("", "x"),
            ("ownerUrn.keyword.keyword", "urn:li:corpuser:a"),
            ("OwnerUrn", "urn:li:corpuser:a"),
            ("token", "x"),
            ("ownerUrn", "alice"),
            ("ownerUrn", "' OR 1=1 --"),
            ("actorUrn", ""),
            ("ownerOrActorUrn", "alice"),
            ("query", "x"),
            ("status", "REVOKED"),
            ("status", "active"),
            ("id", "x"),
            ("createdAt", "yesterday"),
            ("createdAt", "1e3"),
            ("expiresAt", "99999999999999999999"),
        ] {
            assert!(one(facet(field, None, &[value])).is_err(), "{field} {value}");
        }
        let without = FacetFilterInput { field: "name".to_owned(), ..FacetFilterInput::default() };
        assert_eq!(one(without).unwrap_err(), "the filter by name has no values");
        let many = vec![facet("name", None, &["a"]); MOST_FILTERS + 1];
        assert!(filters(many, NOW).is_err());
        assert!(one(facet("name", None, &["a"; MOST_VALUES + 1])).is_err());
        assert!(one(facet("name", None, &["a"; MOST_VALUES])).is_ok());
    }

    #[test]
    fn lists_are_sorted_by_what_they_can_be() {
        let by = |field: &str, sort_order| {
            let by = SortCriterion { field: field.to_owned(), sort_order };
            sorted(TokenQuery::default(), &by)
        };
        let query = by("name", SortOrder::Ascending).unwrap();
        assert_eq!((query.sort, query.descending), (TokenSort::Name, false));
        let query = by("createdAt", SortOrder::Descending).unwrap();
        assert_eq!((query.sort, query.descending), (TokenSort::CreatedAt, true));
        let query = by("lastUsedAt", SortOrder::Descending).unwrap();
        assert_eq!((query.sort, query.descending), (TokenSort::LastUsedAt, true));
        assert!(by("expiresAt", SortOrder::Descending).is_ok());
        assert!(by("id; DROP TABLE tokens", SortOrder::Descending).is_err());
    }
}
