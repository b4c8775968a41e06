use async_graphql::{Enum, InputObject};

/// A condition on a field of what is listed.
#[derive(Debug, Clone, Default, InputObject)]
pub struct FacetFilterInput {
    /// The name of the field.
    pub field: String,
    /// The value, where there is one. Use `values`.
    pub value: Option<String>,
    /// The values; one of them must match.
    pub values: Option<Vec<String>>,
    /// How the field is compared with the values; `EQUAL` unless it is given.
    pub condition: Option<FilterOperator>,
    /// Whether the condition must not hold.
    pub negated: Option<bool>,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct AndFilterInput {
    /// The conditions.
    pub and: Option<Vec<FacetFilterInput>>,
}

/// How a field is compared with values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum)]
pub enum FilterOperator {
    /// A value is somewhere in the field.
    Contain,
    /// The field is a value.
    #[default]
    Equal,
    /// The field is a value, in upper or lower case.
    Iequal,
    /// The field is one of the values.
    In,
    /// The field is there.
    Exists,
    /// The field is greater than a value.
    GreaterThan,
    /// The field is greater than a value, or the same.
    GreaterThanOrEqualTo,
    /// The field is less than a value.
    LessThan,
    /// The field is less than a value, or the same.
    LessThanOrEqualTo,
    /// The field starts with a value.
    StartWith,
    /// The field ends with a value.
    EndWith,
    /// The field is a value, or below it.
    DescendantsIncl,
    /// The field is a value, or above it.
    AncestorsIncl,
    /// The field is a value, or above or below it.
    RelatedIncl,
}

/// By what a list is sorted, and which way.
#[derive(Debug, Clone, PartialEq, Eq, InputObject)]
pub struct SortCriterion {
    /// The name of the field.
    pub field: String,
    /// Which way.
    pub sort_order: SortOrder,
}

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SortOrder {
    /// The smallest first.
    Ascending,
    /// The greatest first.
    Descending,
}
