//! Privileges by the policies in force, for a token that is remembered with those of earlier ones.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Authentication, PendingVerdict, Verdict, judge::Inner, kept::Snapshot};
use crate::{caught::Caught, clock::Monotonic, policy::PolicyIndex, token_service::TokenPlace};

impl Inner {
    /// The answer for a token whose privileges are outdated, and which is good but for that. `now` is
    /// when the request began, and the feed was fresh.
    #[cold]
    pub(super) fn with_new_policies(
        self: &Arc<Self>,
        text: &[u8],
        place: TokenPlace,
        outdated: Authentication,
        now: Monotonic,
    ) -> Verdict {
        if let Some(policies) = self.policies.at_hand(now, true) {
            return Verdict::Ready(Ok(self.narrow(text, place, &outdated, &policies)));
        }
        let (inner, text) = (self.clone(), Zeroizing::new(Box::<[u8]>::from(text)));
        Verdict::Pending(PendingVerdict(Box::pin(async move {
            let read = async {
                let is_fresh = |now| inner.is_fresh(now);
                Ok(inner.policies.current(&*inner.clock, now, is_fresh).await?)
            };
            let read = Caught::new(inner.within_time(read)).await;
            let policies = read.unwrap_or_else(|panicked| Err(panicked.into()))?;
            Ok(inner.narrow(&text, place, &outdated, &policies))
        })))
    }

    /// The same with the privileges that these policies grant, which are remembered.
    pub(super) fn narrow(
        &self,
        text: &[u8],
        place: TokenPlace,
        outdated: &Authentication,
        policies: &Snapshot<PolicyIndex>,
    ) -> Authentication {
        let renewed = renewed(outdated, policies);
        self.verified(place).narrow(text, outdated, &renewed, policies.version());
        renewed
    }

    /// Reads the policies in force now, if that was not done yet, so that no request has to wait for
    /// them. If it cannot be done, the next request that needs them tries, and so does the next walk.
    pub(super) async fn read_policies(&self) {
        let now = self.clock.monotonic();
        let is_fresh = |now| self.is_fresh(now);
        if is_fresh(now) && self.policies.at_hand(now, true).is_none() {
            let read = async { Ok(self.policies.current(&*self.clock, now, is_fresh).await?) };
            let _ = Caught::new(self.within_time(read)).await;
        }
    }
}

/// The same with the privileges that these policies grant.
pub(super) fn renewed(
    outdated: &Authentication,
    policies: &Snapshot<PolicyIndex>,
) -> Authentication {
    let actor = outdated.privileges().actor().clone();
    outdated.with_privileges(policies.value.shared_privileges(actor))
}
