use super::{
    Compiled, Names,
    bucket::{Bucket, Found},
    list::Split,
    privilege_set::PrivilegeSet,
    rule::Rule,
};
use crate::policy::{Policy, PolicyOptions};

pub(super) fn compile<P: AsRef<Policy>>(
    policies: impl IntoIterator<Item = P>,
    options: PolicyOptions,
) -> Compiled {
    let mut compiled = Compiled { options, ..Compiled::default() };
    let mut rules = Vec::new();
    for policy in policies {
        let policy = policy.as_ref();
        if compiled.options.is_candidate(policy) {
            compiled.add(policy, &mut rules);
        }
    }
    let mut split = Split::default();
    let Compiled { all_users, all_groups, owners, buckets, .. } = &mut compiled;
    for bucket in buckets.iter_mut().chain([all_users, all_groups, owners]) {
        bucket.finish(&rules, &mut split);
    }
    compiled.rules = rules.into();
    compiled
}

impl Compiled {
    fn add(&mut self, policy: &Policy, rules: &mut Vec<Rule>) {
        // Four billion rules do not fit into memory.
        let Ok(place) = u32::try_from(rules.len()) else { return };
        let mut privileges = PrivilegeSet::default();
        for privilege in &policy.privileges {
            let ids = &mut self.privileges;
            privileges.insert(ids.find_or_add(privilege.as_str(), || privilege.clone()));
        }
        let Some(rule) = Rule::new(policy, privileges) else { return };
        let found = Found::new(&rule, &mut self.values);
        let actors = &policy.actors;
        if actors.all_users {
            self.all_users.add(place, &rule, &found, false);
        } else {
            let buckets = &mut self.buckets;
            let mut add_to = |names: &mut Names, listed: &[String]| {
                for name in listed {
                    if let Some(bucket) = bucket(buckets, names, name) {
                        bucket.add(place, &rule, &found, false);
                    }
                }
            };
            add_to(&mut self.users, &actors.users);
            if actors.all_groups {
                // Who is in one of the groups is in some group.
                self.all_groups.add(place, &rule, &found, false);
            } else {
                add_to(&mut self.groups, &actors.groups);
            }
            add_to(&mut self.roles, &actors.roles);
            if rule.ownership.is_some() {
                self.owners.add(place, &rule, &found, true);
            }
        }
        drop(found);
        rules.push(rule);
    }
}

fn bucket<'a>(
    buckets: &'a mut Vec<Bucket>,
    names: &mut Names,
    name: &str,
) -> Option<&'a mut Bucket> {
    let at = match names.get(name) {
        Some(at) => *at,
        None => {
            let at = u32::try_from(buckets.len()).ok()?;
            buckets.push(Bucket::default());
            names.insert(name.into(), at);
            at
        }
    };
    buckets.get_mut(usize::try_from(at).ok()?)
}
