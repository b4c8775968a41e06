use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Compiled, bucket::Bucket, ids::Ids, rule::Rule};
use crate::policy::{Policy, PolicyOptions, Privilege};

pub(super) fn compile<P: AsRef<Policy>>(
    policies: impl IntoIterator<Item = P>,
    options: PolicyOptions,
) -> Compiled {
    let mut build = Build::default();
    for policy in policies {
        let policy = policy.as_ref();
        if options.is_candidate(policy)
            && let Some(rule) = Rule::new(policy)
        {
            build.add(policy, rule);
        }
    }
    let Build { rules, privileges, values, all_users, all_groups, users, groups, roles, owners } =
        build;
    Compiled {
        options,
        rules: rules.into(),
        privileges,
        values,
        all_users: all_users.map(Arc::new),
        all_groups: all_groups.map(Arc::new),
        users: shared(users),
        groups: shared(groups),
        roles: shared(roles),
        owners: owners.map(Arc::new),
    }
}

#[derive(Default)]
struct Build {
    rules: Vec<Rule>,
    privileges: Ids<Privilege>,
    values: Ids<Box<str>>,
    all_users: Option<Bucket>,
    all_groups: Option<Bucket>,
    users: HashMap<Box<str>, Bucket>,
    groups: HashMap<Box<str>, Bucket>,
    roles: HashMap<Box<str>, Bucket>,
    owners: Option<Bucket>,
}

impl Build {
    fn add(&mut self, policy: &Policy, rule: Rule) {
        // Four billion rules do not fit into memory.
        let Ok(place) = u32::try_from(self.rules.len()) else { return };
        let ids = &mut self.privileges;
        let privileges: BTreeSet<u32> = policy
            .privileges
            .iter()
            .map(|privilege| ids.find_or_add(privilege.as_str(), || privilege.clone()))
            .collect();
        let values = &mut self.values;
        let mut id = |value: &str| values.find_or_add(value, || value.into());
        let mut add_to = |bucket: &mut Bucket, is_owners: bool| {
            for privilege in &privileges {
                bucket.add(*privilege, place, &rule, is_owners, &mut id);
            }
        };
        let actors = &policy.actors;
        if actors.all_users {
            add_to(self.all_users.get_or_insert_default(), false);
        } else {
            for user in unique(&actors.users) {
                add_to(self.users.entry(user.into()).or_default(), false);
            }
            if actors.all_groups {
                // Who is in one of the groups is in some group.
                add_to(self.all_groups.get_or_insert_default(), false);
            } else {
                for group in unique(&actors.groups) {
                    add_to(self.groups.entry(group.into()).or_default(), false);
                }
            }
            for role in unique(&actors.roles) {
                add_to(self.roles.entry(role.into()).or_default(), false);
            }
            if rule.ownership.is_some() {
                add_to(self.owners.get_or_insert_default(), true);
            }
        }
        self.rules.push(rule);
    }
}

fn unique(texts: &[String]) -> BTreeSet<&str> {
    texts.iter().map(String::as_str).collect()
}

fn shared(buckets: HashMap<Box<str>, Bucket>) -> HashMap<Box<str>, Arc<Bucket>> {
    buckets.into_iter().map(|(name, bucket)| (name, Arc::new(bucket))).collect()
}
