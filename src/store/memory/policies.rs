use std::collections::BTreeMap;

use super::{MemoryStore, State};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    feed::Change,
    policy::{Policy, PolicyRecord, PolicySource, PolicyStore},
    store::seed,
};

impl State {
    /// Stores all of `wanted`, and returns how many differ from what was there.
    fn write_policies(&mut self, wanted: BTreeMap<&Urn, &Policy>) -> usize {
        let mut changed = 0;
        for (urn, policy) in wanted {
            if self.policies.get(urn) != Some(policy) {
                self.policies.insert(urn.clone(), policy.clone());
                changed += 1;
            }
        }
        if changed > 0 {
            self.announce(Change::Policies);
        }
        changed
    }

    fn delete_policy(&mut self, urn: &Urn) -> bool {
        let was_there = self.policies.remove(urn).is_some();
        if was_there {
            self.announce(Change::Policies);
        }
        was_there
    }
}

impl PolicySource for MemoryStore {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        Box::pin(async move { Ok(self.state().policies.iter().map(record).collect()) })
    }
}

impl PolicyStore for MemoryStore {
    fn policy<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PolicyRecord>, StoreError>> {
        Box::pin(async move { Ok(self.state().policies.get_key_value(urn).map(record)) })
    }

    fn put_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write(|state| state.write_policies(seed::last_of_each(records)));
            Ok(())
        })
    }

    fn replace_policy<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
        new: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                let is_same = state.policies.get(urn) == Some(expected);
                if is_same {
                    state.write_policies(BTreeMap::from([(urn, new)]));
                }
                is_same
            }))
        })
    }

    fn delete_policy_if<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                state.policies.get(urn) == Some(expected) && state.delete_policy(urn)
            }))
        })
    }

    fn delete_policy<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.delete_policy(urn))) })
    }

    fn seed_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                let wanted = seed::defaults(records, |urn| state.policies.contains_key(urn));
                state.write_policies(wanted)
            }))
        })
    }
}

fn record((urn, policy): (&Urn, &Policy)) -> PolicyRecord {
    PolicyRecord { urn: urn.clone(), info: policy.clone() }
}
