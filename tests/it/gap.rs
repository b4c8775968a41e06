//! What becomes of remembered tokens after changes may have been missed.

use std::{sync::atomic::Ordering, time::Duration};

use tower_pat::{
    actor::DirectoryStore,
    clock::Clock,
    policy::{PolicyStore, Privilege, default_policies},
    token::{AccessTokenDuration, RevocationRule, RuleScope, TokenType},
    token_service::{MintRequest, MintedToken, TokenStore},
};

use crate::support::{Fault, Part, World, config, user};

/// A world whose feed is read every 20 milliseconds.
async fn world() -> World {
    World::with(config().revocation_bound(Duration::from_millis(80))).await
}

impl World {
    /// Has the feed say that it may have lost something, and waits until that was heard.
    async fn gap(&self) {
        self.store.faults.gap_once.store(true, Ordering::SeqCst);
        self.store.feed_was_read().await;
    }

    /// Has batches wait before their end, or go on.
    fn hold_batches(&self, hold: bool) {
        self.store.faults.hold_batches.store(hold, Ordering::SeqCst);
        if !hold {
            self.store.faults.batch_permits.add_permits(1_000);
        }
    }

    async fn batch_has_begun(&self) {
        let begun = async {
            while self.store.faults.batch_finds.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), begun).await.unwrap();
    }

    async fn remembered(&self, tokens: &[&MintedToken]) {
        for minted in tokens {
            assert_eq!(self.answer(minted.token.expose()).await.status, 200);
        }
    }

    /// What is answered by what is remembered alone: 503 if that does not suffice.
    async fn status(&self, minted: &MintedToken) -> u16 {
        self.store.set_fault(Part::Find, Fault::Fails);
        let status = self.answer(minted.token.expose()).await.status;
        self.store.set_fault(Part::Find, None);
        status
    }

    /// Waits until what is remembered of this token is an answer.
    async fn is_answer(&self, minted: &MintedToken) {
        let answer = async {
            while self.status(minted).await != 200 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), answer).await.expect("judged anew");
    }
}

#[tokio::test]
async fn what_is_still_good_is_an_answer_again_without_being_asked_for() {
    let world = world().await;
    let mut tokens = Vec::new();
    // More than one batch.
    for _ in 0..450 {
        tokens.push(world.mint().await);
    }
    world.remembered(&tokens.iter().collect::<Vec<_>>()).await;
    let asked = world.store.finds();
    world.gap().await;
    for minted in &tokens {
        world.is_answer(minted).await;
    }
    let batches = world.store.faults.batch_finds.load(Ordering::SeqCst);
    assert_eq!(batches, 3);
    let failed = world.store.finds() - asked;
    for minted in &tokens {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
    assert_eq!(world.store.finds() - asked, failed);
}

#[tokio::test]
async fn what_is_suspect_is_no_answer_but_asked_for_at_once() {
    let world = world().await;
    let (first, second) = (world.mint().await, world.mint().await);
    world.remembered(&[&first, &second]).await;
    world.hold_batches(true);
    world.gap().await;
    world.batch_has_begun().await;
    assert_eq!(world.status(&first).await, 503);
    assert_eq!(world.status(&second).await, 503);
    let asked = world.store.finds();
    for _ in 0..2 {
        assert_eq!(world.answer(first.token.expose()).await.status, 200);
        assert_eq!(world.store.finds(), asked + 1);
    }
    assert_eq!(world.status(&second).await, 503);
    world.hold_batches(false);
    world.is_answer(&second).await;
    assert_eq!(world.status(&first).await, 200);
}

#[tokio::test]
async fn what_was_ended_by_a_change_that_was_missed_goes() {
    let world = world().await;
    for name in ["bob", "carol", "dora"] {
        world.store.inner.create_user(&user(name)).await.unwrap();
    }
    let child_of = async |parent: &MintedToken| {
        let lifetime = AccessTokenDuration::OneHour.lifetime();
        let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
        world.tokens.mint(request.parent(parent.record.id)).await.unwrap()
    };
    let (good, revoked, parent) = (world.mint().await, world.mint().await, world.mint().await);
    let child = child_of(&parent).await;
    let (of_bob, of_carol) = (world.mint_for("bob").await, world.mint_for("carol").await);
    let of_dora = world.mint_for("dora").await;
    let grandchild = child_of(&child_of(&of_dora).await).await;
    let bad = [&revoked, &parent, &child, &of_bob, &of_carol, &of_dora, &grandchild];
    world.remembered(&bad).await;
    world.remembered(&[&good]).await;

    // All that is announced from here on is lost.
    world.hold_batches(true);
    world.store.faults.feed_has_gap.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_millis(10));
    world.tokens.revoke(&revoked.record.id, &user("alice")).await.unwrap();
    world.tokens.revoke(&parent.record.id, &user("alice")).await.unwrap();
    world.store.inner.set_suspended(&user("bob"), true).await.unwrap();
    world.store.inner.delete_user(&user("carol")).await.unwrap();
    let rule = RevocationRule {
        scope: RuleScope::Actor(user("dora")),
        issued_before: world.clock.now(),
        by: user("alice"),
    };
    world.store.inner.add_rule(&rule).await.unwrap();
    world.store.feed_was_read().await;
    world.store.faults.feed_has_gap.store(false, Ordering::SeqCst);
    world.store.feed_was_read().await;
    world.hold_batches(false);

    world.is_answer(&good).await;
    // When it is one for the second time, all that was judged with it is done.
    world.gap().await;
    world.is_answer(&good).await;
    for minted in bad {
        assert_eq!(world.status(minted).await, 503);
        assert_eq!(world.answer(minted.token.expose()).await.status, 401);
    }
    assert_eq!(world.status(&good).await, 200);
}

#[tokio::test]
async fn a_change_while_a_batch_is_judged_counts() {
    let world = world().await;
    let (good, revoked) = (world.mint().await, world.mint().await);
    world.remembered(&[&good, &revoked]).await;
    world.hold_batches(true);
    world.gap().await;
    world.batch_has_begun().await;
    // Everything but the end of the batch has been read.
    world.tokens.revoke(&revoked.record.id, &user("alice")).await.unwrap();
    world.store.feed_was_read().await;
    world.hold_batches(false);
    world.is_answer(&good).await;
    world.gap().await;
    world.is_answer(&good).await;
    assert_eq!(world.status(&revoked).await, 503);
    assert_eq!(world.answer(revoked.token.expose()).await.status, 401);
}

#[tokio::test]
async fn a_gap_while_a_batch_is_judged_is_another() {
    let world = world().await;
    let revoked = world.mint().await;
    world.remembered(&[&revoked]).await;
    world.hold_batches(true);
    world.gap().await;
    world.batch_has_begun().await;
    // What is announced now is lost too.
    world.store.faults.feed_has_gap.store(true, Ordering::SeqCst);
    world.tokens.revoke(&revoked.record.id, &user("alice")).await.unwrap();
    world.store.feed_was_read().await;
    world.store.faults.feed_has_gap.store(false, Ordering::SeqCst);
    world.store.feed_was_read().await;
    world.hold_batches(false);
    let witness = world.mint().await;
    world.remembered(&[&witness]).await;
    world.gap().await;
    world.is_answer(&witness).await;
    assert_eq!(world.status(&revoked).await, 503);
}

#[tokio::test]
async fn what_could_not_be_judged_is_judged_later() {
    let world = world().await;
    let minted = world.mint().await;
    world.remembered(&[&minted]).await;
    world.store.set_fault(Part::Batch, Fault::Fails);
    world.gap().await;
    while world.store.faults.batch_finds.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.status(&minted).await, 503);
    world.store.set_fault(Part::Batch, None);
    world.is_answer(&minted).await;
}

/// The directory answers for everybody but one.
#[tokio::test]
async fn what_cannot_be_judged_keeps_nothing_else_from_it() {
    let world = world().await;
    world.store.inner.create_user(&user("bob")).await.unwrap();
    world.store.feed_was_read().await;
    let mut tokens = Vec::new();
    for _ in 0..15 {
        tokens.push(world.mint().await);
    }
    let of_bob = world.mint_for("bob").await;
    world.remembered(&tokens.iter().collect::<Vec<_>>()).await;
    world.remembered(&[&of_bob]).await;
    *world.store.faults.broken_user.lock().unwrap() = Some(user("bob"));
    world.gap().await;
    for minted in &tokens {
        world.is_answer(minted).await;
    }
    assert_eq!(world.status(&of_bob).await, 503);
    // It is tried again, and ever more seldom.
    let batches = || world.store.faults.batch_finds.load(Ordering::SeqCst);
    let tries = batches();
    for _ in 0..60 {
        world.store.feed_was_read().await;
    }
    let more = batches() - tries;
    assert!((1..=12).contains(&more), "{more} of 120");
    // News for everybody end the waiting.
    *world.store.faults.broken_user.lock().unwrap() = None;
    world.gap().await;
    world.is_answer(&of_bob).await;
}

/// Then fewer are judged at once, and in the end each is asked for when it is used.
#[tokio::test]
async fn what_can_never_be_judged_is_not_tried_for_ever() {
    for fault in [Fault::Corrupt, Fault::Hangs, Fault::Panics] {
        let config = config().revocation_bound(Duration::from_millis(80));
        let world = World::with(config.store_timeout(Duration::from_millis(40))).await;
        let tokens = [world.mint().await, world.mint().await, world.mint().await];
        world.remembered(&tokens.each_ref()).await;
        world.store.set_fault(Part::Batch, fault);
        world.gap().await;
        // Of three, of two, and of each.
        while world.store.faults.batch_finds.load(Ordering::SeqCst) < 5 {
            tokio::task::yield_now().await;
        }
        for _ in 0..6 {
            world.store.feed_was_read().await;
        }
        assert_eq!(world.store.faults.batch_finds.load(Ordering::SeqCst), 5, "{fault:?}");
        let asked = world.store.finds();
        for _ in 0..2 {
            world.remembered(&tokens.each_ref()).await;
            assert_eq!(world.store.finds(), asked + 3, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_without_end_is_given_up() {
    let config = config().revocation_bound(Duration::from_millis(80));
    let world = World::with(config.store_timeout(Duration::from_millis(40))).await;
    let tokens = [world.mint().await, world.mint().await];
    world.remembered(&tokens.each_ref()).await;
    world.store.set_fault(Part::Batch, Fault::Hangs);
    world.gap().await;
    world.batch_has_begun().await;
    world.store.set_fault(Part::Batch, None);
    for minted in &tokens {
        world.is_answer(minted).await;
    }
}

#[tokio::test]
async fn what_is_suspect_waits_for_a_feed_that_is_fresh() {
    let world = world().await;
    let minted = world.mint().await;
    world.remembered(&[&minted]).await;
    world.store.set_fault(Part::Batch, Fault::Fails);
    world.gap().await;
    world.batch_has_begun().await;
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.store.feed_was_read().await;
    world.clock.advance(Duration::from_millis(81));
    world.store.feed_was_read().await;
    let batches = world.store.faults.batch_finds.load(Ordering::SeqCst);
    for _ in 0..3 {
        world.store.feed_was_read().await;
    }
    assert_eq!(world.store.faults.batch_finds.load(Ordering::SeqCst), batches);
    world.store.set_fault(Part::Batch, None);
    world.store.faults.feed_is_down.store(false, Ordering::SeqCst);
    world.is_answer(&minted).await;
}

/// A group's roles concern whoever is in it, which nobody can tell.
#[tokio::test]
async fn what_concerns_everybody_is_judged_anew() {
    let world = world().await;
    let minted = world.mint().await;
    world.remembered(&[&minted]).await;
    let group = "urn:li:corpGroup:admins".parse().unwrap();
    let role = "urn:li:dataHubRole:Admin".parse().unwrap();
    world.hold_batches(true);
    world.store.inner.set_roles(&group, &[role]).await.unwrap();
    world.batch_has_begun().await;
    assert_eq!(world.status(&minted).await, 503);
    world.hold_batches(false);
    world.is_answer(&minted).await;
}

#[tokio::test]
async fn what_was_judged_anew_has_the_policies_of_now() {
    let world = world().await;
    let minted = world.mint().await;
    let privilege = Privilege::GENERATE_PERSONAL_ACCESS_TOKENS;
    assert!(!world.may(minted.token.expose(), privilege.clone()).await);
    // Announced as usual, and missed.
    for has_gap in [false, true] {
        world.store.faults.feed_has_gap.store(has_gap, Ordering::SeqCst);
        let policies = default_policies();
        match has_gap {
            false => {
                world.store.inner.seed_policies(&policies).await.unwrap();
            }
            true => {
                for record in &policies {
                    world.store.inner.delete_policy(&record.urn).await.unwrap();
                }
            }
        }
        world.store.feed_was_read().await;
        world.store.faults.feed_has_gap.store(false, Ordering::SeqCst);
        world.is_answer(&minted).await;
        let may = world.may(minted.token.expose(), privilege.clone()).await;
        assert_eq!(may, !has_gap);
    }
}
