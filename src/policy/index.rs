mod bucket;
mod build;
mod ids;
mod privileges;
mod rule;

use std::{collections::HashMap, fmt, sync::Arc};

pub use self::privileges::Privileges;
use self::{bucket::Bucket, ids::Ids, rule::Rule};
use super::{Policy, PolicyOptions, Privilege};
use crate::actor::Actor;

/// Policies, compiled: the same answers as [`PolicyEngine`](super::PolicyEngine), at a cost that
/// does not grow with the number of policies.
///
/// 1. Policies are sorted into buckets by whom they are for: everybody, everybody in a group, each
///    user, group and role, and owners. An actor concerns few buckets: these are found once, and
///    make the actor's [`Privileges`].
/// 2. In a bucket, each privilege has its own rules. One without conditions is a flag. One with an
///    EQUALS criterion is found by a value of that criterion, the URN if there is one and the TYPE if
///    there is nothing better. The others are tried one by one.
/// 3. Where the field of such a criterion is unknown, the rules found by it are all looked at, for
///    the answer has to name what is missing.
///
/// Cheap to clone. It never changes: after a change of policies make another.
#[derive(Clone)]
pub struct PolicyIndex(Arc<Compiled>);

struct Compiled {
    options: PolicyOptions,
    rules: Box<[Rule]>,
    privileges: Ids<Privilege>,
    /// The values by which rules are found.
    values: Ids<Box<str>>,
    all_users: Option<Arc<Bucket>>,
    all_groups: Option<Arc<Bucket>>,
    users: HashMap<Box<str>, Arc<Bucket>>,
    groups: HashMap<Box<str>, Arc<Bucket>>,
    roles: HashMap<Box<str>, Arc<Bucket>>,
    owners: Option<Arc<Bucket>>,
}

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
}

impl fmt::Debug for PolicyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyIndex")
            .field("options", &self.0.options)
            .field("rules", &self.0.rules.len())
            .finish_non_exhaustive()
    }
}
