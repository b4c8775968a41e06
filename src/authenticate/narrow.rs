//! Privileges by the policies in force, for a token that is remembered with those of earlier ones.

use std::{sync::Arc, task::Poll};

use tracing::Instrument;
use zeroize::Zeroizing;

use super::{
    AuthenticateError, Authentication, PendingVerdict, Verdict, judge::Inner, kept::Snapshot,
};
use crate::{
    backend::StoreError, caught::Caught, clock::Monotonic, policy::PolicyIndex,
    token_service::TokenPlace,
};

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
            let policies = inner.policies_read(now).await?;
            // Now that they are here, the others can have theirs.
            inner.suspected.notify_one();
            Ok(inner.narrow(&text, place, &outdated, &policies))
        })))
    }

    /// The policies for a request that began at `now`. As with look-ups, a source that answers at once
    /// is asked in place; else a task goes on to ask it, whether the request waits for that or not.
    async fn policies_read(
        self: &Arc<Self>,
        now: Monotonic,
    ) -> Result<Arc<Snapshot<PolicyIndex>>, AuthenticateError> {
        let inner = self.clone();
        let mut reading = Caught::new(async move {
            let read = async {
                let is_fresh = |now| inner.is_fresh(now);
                Ok(inner.policies.current(&*inner.clock, now, is_fresh).await?)
            };
            inner.within_time(read).await
        });
        let read = match self.flights.poll_once(&mut reading).await {
            Poll::Ready(read) => read,
            Poll::Pending => {
                let task = self.flights.runtime().spawn(reading.in_current_span());
                // If it is not waited for to its end, its runtime ends.
                task.await.map_err(StoreError::unavailable)?
            }
        };
        read.unwrap_or_else(|panicked| Err(panicked.into()))
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
    /// them. If it cannot be done, the next request that needs them tries.
    pub(super) async fn read_policies(&self) {
        let now = self.clock.monotonic();
        let is_fresh = |now| self.is_fresh(now);
        if is_fresh(now) && self.policies.at_hand(now, true).is_none() {
            let read = async { Ok(self.policies.current(&*self.clock, now, is_fresh).await?) };
            let _ = Caught::new(self.within_time(read)).await;
        }
    }

    /// Goes on with `walk`: takes what nobody has used since the policies changed from those in force,
    /// too, and lets go of what is over. So that no policies of earlier times are kept for tokens that
    /// are not used. Whether there is more to do now.
    pub(super) fn tidy(&self, walk: &mut Walk) -> bool {
        let now = self.clock.monotonic();
        let shards = self.verified.shards();
        if walk.policies != self.policies.version() {
            // Once around, from wherever it is, so that everything has its turn.
            for place in [TokenPlace::Header, TokenPlace::Session] {
                self.verified(place).tidy_copies(self.current(now));
            }
            *walk = Walk { policies: self.policies.version(), left: 2 * shards, ..*walk };
        }
        let policies = match walk.left {
            0 => None,
            _ => self.policies.at_hand(now, true).filter(|_| self.is_fresh(now)),
        };
        let Some(policies) = policies else { return false };
        for _ in 0..walk.left.min(SHARDS_AT_ONCE) {
            let (place, shard) = match walk.next.checked_sub(shards) {
                None => (TokenPlace::Header, walk.next),
                Some(shard) => (TokenPlace::Session, shard),
            };
            let renew = |outdated: &Authentication| Some(renewed(outdated, &policies));
            self.verified(place).tidy(shard, self.current(now), policies.version(), renew);
            walk.next = (walk.next + 1) % (2 * shards);
            walk.left -= 1;
        }
        walk.left > 0
    }
}

/// A walk through all that is remembered, once after each change of policies.
#[derive(Debug, Default)]
pub(super) struct Walk {
    policies: u64,
    next: usize,
    left: usize,
}

fn renewed(outdated: &Authentication, policies: &Snapshot<PolicyIndex>) -> Authentication {
    let actor = outdated.privileges().actor().clone();
    outdated.with_privileges(policies.value.shared_privileges(actor))
}

/// Less than a millisecond's work.
const SHARDS_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use crate::{
        Authenticator, Config, TokenService,
        actor::{DirectoryStore, Urn},
        policy::{PolicyStore, default_policies},
        store::MemoryStore,
        token::{AccessTokenDuration, TokenType},
        token_service::MintRequest,
    };

    use super::*;

    /// Else every change of policies would add to what is kept.
    #[tokio::test]
    async fn a_token_that_is_not_used_lets_go_of_old_policies() {
        let config = Config::builder(
            "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=",
            "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ",
        );
        let (config, store) = (config.build().unwrap(), MemoryStore::default());
        let alice = Urn::corpuser("alice").unwrap();
        store.create_user(&alice).await.unwrap();
        let lifetime = AccessTokenDuration::OneHour.lifetime();
        let minted = TokenService::new(&config, Arc::new(store.clone()))
            .mint(MintRequest::new(TokenType::Personal, alice, lifetime))
            .await
            .unwrap();
        let authenticator = Authenticator::builder(config, store.clone()).build().await.unwrap();
        let bearer = format!("Bearer {}", minted.token.expose());
        let request = Request::builder().header("authorization", bearer).body(()).unwrap();
        let old = authenticator.authenticate(&request.into_parts().0).await.unwrap();
        assert_eq!(old.holders(), 2);
        store.seed_policies(&default_policies()).await.unwrap();
        let gone = async {
            while old.holders() > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    }
}
