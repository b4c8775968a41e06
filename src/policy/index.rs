mod bucket;
mod build;
mod ids;
mod list;
mod prefixes;
mod privilege_set;
mod privileges;
mod question;
mod rule;
mod shared;

use std::{borrow::Borrow, collections::HashMap, fmt, sync::Arc};

use foldhash::fast::RandomState;

pub use self::privileges::Privileges;
use self::{bucket::Bucket, ids::Ids, rule::Rule, shared::Shared};
use super::{Policy, PolicyOptions, Privilege};
use crate::actor::Actor;

/// Policies, compiled: the same answers as [`PolicyEngine`](super::PolicyEngine), at a cost that
/// does not grow with the number of policies.
///
/// 1. Policies are sorted into buckets by whom they are for: everybody, everybody in a group, each
///    user, group and role, and owners. An actor concerns few buckets: these are found once, and
///    make the actor's [`Privileges`].
/// 2. In a bucket, what a rule grants without conditions is a bit for each of its privileges. A rule
///    with an EQUALS criterion is found by a value of that criterion, the URN if there is one and the
///    TYPE if there is nothing better; one with STARTS_WITH by the beginning of a value. The others
///    are tried one by one. Of all that are found, those count that list the privilege.
/// 3. Where the field of such a criterion is unknown, the rules found by it are all looked at, for
///    the answer has to name what is missing.
///
/// Cheap to clone. It never changes: after a change of policies make another.
#[derive(Clone)]
pub struct PolicyIndex(Arc<Compiled>);

#[derive(Default)]
struct Compiled {
    options: PolicyOptions,
    rules: Box<[Rule]>,
    privileges: Ids<Privilege>,
    /// The values by which rules are found.
    values: Ids<Box<str>>,
    all_users: Bucket,
    all_groups: Bucket,
    owners: Bucket,
    /// Those of users, groups and roles.
    buckets: Vec<Bucket>,
    users: Names,
    groups: Names,
    roles: Names,
    shared: Shared,
}

/// The places of buckets. As in [`Ids`], only policies put names in.
type Names = HashMap<Box<str>, u32, RandomState>;

impl PolicyIndex {
    /// An index with default options: what requests are judged by.
    pub fn new<P: AsRef<Policy>>(policies: impl IntoIterator<Item = P>) -> Self {
        Self::with_options(policies, PolicyOptions::default())
    }

    /// An index with options.
    pub fn with_options<P: AsRef<Policy>>(
        policies: impl IntoIterator<Item = P>,
        options: PolicyOptions,
    ) -> Self {
        Self(Arc::new(build::compile(policies, options)))
    }

    /// What the actor may do: the index, narrowed to what concerns it.
    #[must_use]
    pub fn privileges(&self, actor: Arc<Actor>) -> Privileges {
        Privileges::narrow(Arc::clone(&self.0), actor)
    }

    /// Whether the one is a clone of the other.
    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The same, shared with everybody who holds the privileges of an equal actor: what an actor's
    /// tokens have in common is found and kept once.
    pub(crate) fn shared_privileges<A>(&self, actor: A) -> Privileges
    where
        A: Borrow<Actor> + Into<Arc<Actor>>,
    {
        Privileges::shared(&self.0, actor)
    }
}

impl fmt::Debug for PolicyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyIndex")
            .field("options", &self.0.options)
            .field("rules", &self.0.rules.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        actor::Urn,
        policy::{Decision, FactSet, Field, Owner, Resource},
    };

    fn policy(actors: &Value, criteria: &Value) -> Policy {
        serde_json::from_value(json!({
            "displayName": "p", "type": "METADATA", "state": "ACTIVE", "privileges": ["OWN"],
            "actors": actors, "resources": { "filter": { "criteria": criteria } }
        }))
        .unwrap()
    }

    fn alice() -> Arc<Actor> {
        Arc::new(
            Actor::new(Urn::corpuser("alice").unwrap())
                .with_group("urn:li:corpGroup:sales".parse().unwrap()),
        )
    }

    fn decide(policies: &[Policy], resource: &Resource) -> Decision {
        let own = Privilege::from_static("OWN");
        PolicyIndex::new(policies).privileges(alice()).decide_privilege(&own, Some(resource))
    }

    fn dataset(key: &str) -> Resource {
        Resource::new(&Urn::of("dataset", key).unwrap())
    }

    #[test]
    fn a_rule_is_found_by_each_of_its_values() {
        let urns = json!(["urn:li:dataset:a", "urn:li:dataset:b"]);
        let criteria =
            json!([{ "field": "TYPE", "values": ["dataset"] }, { "field": "URN", "values": urns }]);
        let policies = [policy(&json!({ "allUsers": true }), &criteria)];
        assert!(decide(&policies, &dataset("a")).is_granted());
        assert!(decide(&policies, &dataset("b")).is_granted());
        assert_eq!(decide(&policies, &dataset("c")), Decision::Denied);
        assert_eq!(decide(&policies, &dataset("a").with_type("chart")), Decision::Denied);
    }

    #[test]
    fn a_rule_is_found_by_the_beginning_of_a_value() {
        let criteria =
            |values| json!([{ "field": "URN", "values": values, "condition": "STARTS_WITH" }]);
        let starting = |values| [policy(&json!({ "allUsers": true }), &criteria(values))];
        let short = starting(json!(["urn:li:chart:", "urn:li:dataset:é"]));
        assert!(decide(&short, &dataset("é")).is_granted());
        assert!(decide(&short, &dataset("éa")).is_granted());
        assert_eq!(decide(&short, &dataset("e")), Decision::Denied);
        // As long as the prefix in bytes, and in the midst of a character there.
        assert_eq!(decide(&short, &dataset("aé")), Decision::Denied);
        assert!(decide(&starting(json!([""])), &dataset("a")).is_granted());
        assert_eq!(decide(&starting(json!([""])), &Resource::of_type("dataset")), Decision::Denied);
    }

    #[test]
    fn a_rule_that_waits_for_a_fact_says_so_only_where_it_may_apply() {
        let of_type = |of_type| {
            let tag = json!({ "field": "TAG", "values": ["urn:li:tag:gold"] });
            let criteria = json!([tag, { "field": "TYPE", "values": [of_type] }]);
            policy(&json!({ "groups": ["urn:li:corpGroup:sales"] }), &criteria)
        };
        let tag = FactSet::of(Field::Tag);
        assert_eq!(decide(&[of_type("dataset")], &dataset("a")), Decision::Indeterminate(tag));
        assert_eq!(decide(&[of_type("chart")], &dataset("a")), Decision::Denied);
        let known = dataset("a").with_field(Field::Tag, ["urn:li:tag:gold"]);
        assert!(decide(&[of_type("chart"), of_type("dataset")], &known).is_granted());
    }

    #[test]
    fn owners_need_not_be_known_for_somebody_who_is_meant_anyway() {
        let actors = json!({ "users": ["urn:li:corpuser:alice"], "resourceOwners": true });
        let criteria = json!([{ "field": "TAG", "values": ["urn:li:tag:gold"] }]);
        assert_eq!(
            decide(&[policy(&actors, &criteria)], &dataset("a")),
            Decision::Indeterminate(FactSet::of(Field::Tag))
        );
    }

    #[test]
    fn a_group_owns_for_its_members() {
        let policies = [policy(&json!({ "resourceOwners": true }), &json!([]))];
        let owned_by = |owner: &str| dataset("a").with_owners([Owner::new(owner)]);
        assert!(decide(&policies, &owned_by("urn:li:corpGroup:sales")).is_granted());
        assert_eq!(decide(&policies, &owned_by("urn:li:corpGroup:legal")), Decision::Denied);
        let owner = FactSet::of(Field::Owner);
        assert_eq!(decide(&policies, &dataset("a")), Decision::Indeterminate(owner));
    }

    #[test]
    fn debug_shows_no_policies() {
        let policies: Vec<Policy> =
            (0..1_000).map(|_| policy(&json!({ "allUsers": true }), &json!([]))).collect();
        let index = PolicyIndex::new(&policies);
        assert!(format!("{index:?}{:?}", index.privileges(alice())).len() < 500);
    }
}
