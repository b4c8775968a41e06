//! What may happen at the same time, and what must not come of it.

use std::{sync::Arc, time::Duration};

use super::world::{
    BEGIN, BOUND, GROUP, KEY, OTHER_KEY, OTHER_POLICY, POLICY_URN, Time, World, after_the_end,
    config, explore, join, tokens, user,
};
use crate::{
    Privilege,
    actor::{DirectoryStore, GroupKind},
    authenticate::{AuthenticateError, Authentication},
    clock::{Clock, Timestamp},
    policy::{PolicyStore, parse_policies},
    token::{RevocationRule, RuleScope},
    token_service::{KeyStore, MintedToken, TokenStore},
};

/// Of a token that is looked up while `change` is made and handled: whoever asks for it then is
/// refused, also much later.
fn ends(
    preemptions: usize,
    token: &'static MintedToken,
    change: impl Fn(&World) + Send + Sync + 'static,
) {
    let change = Arc::new(change);
    explore(preemptions, move || {
        let (world, mut follower) = World::new(Time::Stands, config());
        let looks_up = world.spawn(move |world| drop(world.request(token)));
        let change = change.clone();
        let follows = world.spawn(move |world| {
            change(world);
            world.follow(&mut follower);
            assert!(world.request(token).is_err(), "answered by what had ended");
        });
        join([looks_up, follows]);
        assert!(world.remembered(token).is_none(), "remembered though it has ended");
    });
}

fn revoke(world: &World, token: &MintedToken) {
    let (id, by) = (token.record.id, user("carol"));
    assert!(world.store.write(world.store.inner.revoke(&id, &by, later())));
}

fn add_rule(world: &World, scope: RuleScope) {
    let rule = RevocationRule { scope, issued_before: later(), by: user("carol") };
    world.store.write(world.store.inner.add_rule(&rule));
}

fn later() -> Timestamp {
    BEGIN.saturating_add(Duration::from_secs(1))
}

#[test]
fn a_token_ends_when_it_is_revoked() {
    ends(3, &tokens().alice, |world| revoke(world, &tokens().alice));
}

#[test]
fn a_token_ends_with_what_it_was_made_with() {
    ends(3, &tokens().child, |world| revoke(world, &tokens().alice));
}

#[test]
fn a_token_ends_by_a_rule_for_the_owner_of_what_it_was_made_with() {
    ends(3, &tokens().child, |world| add_rule(world, RuleScope::Owner(user("carol"))));
}

#[test]
fn a_token_ends_by_a_rule_for_its_actor() {
    ends(3, &tokens().alice, |world| add_rule(world, RuleScope::Actor(user("alice"))));
}

#[test]
fn a_token_ends_by_a_rule_for_its_owner() {
    ends(3, &tokens().alice, |world| add_rule(world, RuleScope::Owner(user("carol"))));
}

#[test]
fn a_token_ends_by_a_rule_for_its_key() {
    ends(2, &tokens().alice, |world| {
        add_rule(world, RuleScope::Key(world.config.keys().signing().id()));
    });
}

#[test]
fn a_token_ends_by_a_rule_for_all() {
    ends(2, &tokens().alice, |world| add_rule(world, RuleScope::All));
}

#[test]
fn a_token_ends_when_its_actor_is_suspended() {
    ends(3, &tokens().alice, |world| {
        let alice = user("alice");
        world.store.write(world.store.inner.set_suspended(&alice, true));
    });
}

#[test]
fn a_token_ends_when_its_key_is_retired() {
    ends(2, &tokens().alice, |world| {
        let (old, by) = (world.config.keys().signing().id(), user("carol"));
        let store = &world.store.inner;
        world.config.reload_keys(OTHER_KEY, [KEY]).unwrap();
        let new = world.config.keys().signing().id();
        world.store.write(store.promote_key(new, &[old], &by, later()));
        world.store.write(store.retire_key(old, &by, later()));
    });
}

/// Which no feed announces.
#[test]
fn a_token_ends_when_its_key_is_taken_from_the_process() {
    ends(3, &tokens().alice, |world| world.config.reload_keys(OTHER_KEY, [""; 0]).unwrap());
}

#[test]
fn a_token_ends_though_its_revocation_was_lost_with_a_gap() {
    ends(2, &tokens().alice, |world| {
        revoke(world, &tokens().alice);
        world.store.lose_changes();
    });
}

/// Three at once: one request has begun to look up, the other comes at any time.
#[test]
fn nobody_is_answered_who_began_when_a_revocation_was_handled() {
    explore(2, || {
        let (world, mut follower) = World::new(Time::Stands, config());
        let token = &tokens().alice;
        let looks_up = world.spawn(|world| drop(world.request(token)));
        let comes = world.spawn(|world| {
            let is_handled = world.is_handled();
            let answer = world.request(token);
            after_the_end(is_handled, answer.is_ok());
        });
        let follows = world.spawn(move |world| {
            revoke(world, token);
            world.follow(&mut follower);
            world.handled();
        });
        join([looks_up, comes, follows]);
        assert!(world.remembered(token).is_none(), "remembered though it has ended");
    });
}

/// Nobody has to have heard of it: after the bound, what is remembered is an answer for no request
/// to which the reading of the feed is not known.
#[test]
fn nobody_is_answered_who_began_beyond_the_bound_after_a_revocation() {
    // By the entry, and by a copy of it.
    for uses in [1, 2] {
        explore(2, move || {
            let (world, mut follower) = World::new(Time::Moves, config());
            let token = &tokens().alice;
            (0..uses).for_each(|_| assert!(world.request(token).is_ok()));
            let comes = world.spawn(|world| {
                let began = world.clock.monotonic();
                let answer = world.request(token);
                let is_beyond = began.as_nanos() > BOUND.as_nanos().try_into().unwrap();
                after_the_end(is_beyond, answer.is_ok());
            });
            let follows = world.spawn(move |world| {
                revoke(world, token);
                world.clock.advance(BOUND + Duration::from_millis(1));
                world.follow(&mut follower);
            });
            join([comes, follows]);
            assert!(world.remembered(token).is_none(), "remembered though it has ended");
        });
    }
}

/// However long a reading takes: it is known when it was asked for, and not how old its answer is.
#[test]
fn nobody_is_answered_beyond_the_bound_after_a_revocation_that_a_slow_reading_missed() {
    explore(2, || {
        let (world, mut follower) = World::new(Time::Moves, config());
        let token = &tokens().alice;
        assert!(world.request(token).is_ok());
        let follows = world.spawn(move |world| world.follow(&mut follower));
        let comes = world.spawn(|world| {
            revoke(world, token);
            world.clock.advance(BOUND + Duration::from_millis(1));
            assert!(world.request(token).is_err(), "answered by what had ended");
        });
        join([follows, comes]);
        assert!(world.request(token).is_err(), "answered by what had ended");
    });
}

/// The end of a token is remembered in monotonic time.
#[test]
fn a_token_ends_when_the_wall_clock_jumps_beyond_its_end() {
    explore(2, || {
        let (world, mut follower) = World::new(Time::Moves, config());
        let token = &tokens().alice;
        let looks_up = world.spawn(|world| drop(world.request(token)));
        let follows = world.spawn(move |world| {
            world.clock.jump(Duration::from_hours(2));
            world.follow(&mut follower);
            assert!(world.request(token).is_err(), "answered by what had ended");
        });
        join([looks_up, follows]);
        assert!(world.remembered(token).is_none(), "remembered though it has ended");
    });
}

fn manages(answer: &Result<Authentication, AuthenticateError>) -> bool {
    answer.as_ref().unwrap().require(Privilege::MANAGE_ACCESS_TOKENS).is_ok()
}

fn withdraw(world: &World) {
    let policy = POLICY_URN.parse().unwrap();
    assert!(world.store.write(world.store.inner.delete_policy(&policy)));
}

fn leave_group(world: &World) {
    let alice = user("alice");
    assert!(world.store.write(world.store.inner.set_groups(&alice, GroupKind::External, &[])));
}

fn take_role_from_group(world: &World) {
    let group = GROUP.parse().unwrap();
    assert!(world.store.write(world.store.inner.set_roles(&group, &[])));
}

/// Of a token that is looked up while its actor loses a privilege by `change`.
fn loses(change: fn(&World)) {
    explore(2, move || {
        let (world, mut follower) = World::new(Time::Stands, config());
        let token = &tokens().alice;
        let looks_up = world.spawn(|world| drop(world.request(token)));
        let follows = world.spawn(move |world| {
            change(world);
            world.follow(&mut follower);
            assert!(!manages(&world.request(token)), "by what was over");
        });
        join([looks_up, follows]);
        assert!(!manages(&world.request(token)), "by what was over");
    });
}

#[test]
fn a_privilege_ends_with_its_policy() {
    loses(withdraw);
}

#[test]
fn a_privilege_ends_when_its_actor_leaves_the_group() {
    loses(leave_group);
}

#[test]
fn a_privilege_ends_when_the_group_loses_its_role() {
    loses(take_role_from_group);
}

/// Of a token that is remembered with the privileges of earlier policies, and gets those of newer ones
/// while its actor loses a privilege by `change`: what was taken from policies that are over by then
/// does not stay.
fn loses_again(change: fn(&World), meanwhile: fn(&World)) {
    explore(2, move || {
        let (world, mut follower) = World::new(Time::Stands, config());
        let token = &tokens().alice;
        assert!(manages(&world.request(token)));
        let other = parse_policies(OTHER_POLICY).unwrap();
        world.store.write(world.store.inner.put_policies(&other));
        world.follow(&mut follower);
        let narrows = world.spawn(meanwhile);
        let follows = world.spawn(move |world| {
            change(world);
            world.follow(&mut follower);
            world.handled();
            assert!(!manages(&world.request(token)), "by what was over");
        });
        join([narrows, follows]);
        assert!(!manages(&world.request(token)), "by what was over");
    });
}

fn request(world: &World) {
    let is_handled = world.is_handled();
    let answer = world.request(&tokens().alice);
    after_the_end(is_handled, manages(&answer));
}

#[test]
fn a_privilege_that_is_taken_from_new_policies_ends_with_the_next() {
    loses_again(withdraw, request);
}

#[test]
fn a_privilege_that_is_taken_from_new_policies_unasked_ends_with_the_next() {
    loses_again(withdraw, World::revalidate);
}

#[test]
fn a_privilege_that_is_taken_from_new_policies_ends_when_its_actor_leaves_the_group() {
    loses_again(leave_group, request);
}

#[test]
fn a_privilege_that_is_taken_from_new_policies_unasked_ends_when_its_actor_leaves_the_group() {
    loses_again(leave_group, World::revalidate);
}

#[test]
fn a_privilege_that_is_taken_from_new_policies_ends_when_the_group_loses_its_role() {
    loses_again(take_role_from_group, request);
}

/// Of a token that is remembered with the policies in force.
#[test]
fn nobody_has_a_privilege_that_was_withdrawn_when_they_began() {
    for uses in [1, 2] {
        explore(3, move || {
            let (world, mut follower) = World::new(Time::Stands, config());
            let token = &tokens().alice;
            (0..uses).for_each(|_| assert!(manages(&world.request(token))));
            let comes = world.spawn(request);
            let follows = world.spawn(move |world| {
                withdraw(world);
                world.follow(&mut follower);
                world.handled();
            });
            join([comes, follows]);
            assert!(!manages(&world.request(token)), "by policies that were over");
        });
    }
}

/// A copy is made for a thread while its entry ends.
#[test]
fn a_token_that_is_copied_ends_when_it_is_revoked() {
    explore(3, || {
        let (world, mut follower) = World::new(Time::Stands, config());
        let token = &tokens().alice;
        assert!(world.request(token).is_ok());
        let copies = world.spawn(|world| {
            let _ = world.request(token);
            let is_handled = world.is_handled();
            let answer = world.request(token);
            after_the_end(is_handled, answer.is_ok());
        });
        let follows = world.spawn(move |world| {
            revoke(world, token);
            world.follow(&mut follower);
            world.handled();
        });
        join([copies, follows]);
        assert!(world.remembered(token).is_none(), "remembered though it has ended");
    });
}

/// What is judged anew was suspect, and is revoked while it is.
#[test]
fn a_token_that_is_judged_anew_ends_when_it_is_revoked() {
    explore(2, || {
        let (world, mut follower) = World::new(Time::Stands, config());
        let token = &tokens().alice;
        assert!(world.request(token).is_ok());
        world.store.lose_changes();
        world.follow(&mut follower);
        let judges = world.spawn(World::revalidate);
        let follows = world.spawn(move |world| {
            revoke(world, token);
            world.follow(&mut follower);
            assert!(world.request(token).is_err(), "answered by what had ended");
        });
        join([judges, follows]);
        assert!(world.remembered(token).is_none(), "remembered though it has ended");
    });
}

/// There is room for one of two.
#[test]
fn a_token_that_made_room_and_comes_back_ends_when_it_is_revoked() {
    explore(1, || {
        let (world, mut follower) = World::new(Time::Stands, config().cache_capacity(1));
        let (token, other) = (&tokens().alice, &tokens().bob);
        assert!(world.request(token).is_ok());
        let takes_its_place = world.spawn(|world| assert!(world.request(other).is_ok()));
        let comes_back = world.spawn(|world| drop(world.request(token)));
        let follows = world.spawn(move |world| {
            revoke(world, token);
            world.follow(&mut follower);
            assert!(world.request(token).is_err(), "answered by what had ended");
        });
        join([takes_its_place, comes_back, follows]);
        assert!(world.remembered(token).is_none(), "remembered though it has ended");
    });
}

/// While nothing can be read, what this process has seen counts: a token that was refused is not
/// answered by what somebody else had read before.
#[test]
fn a_token_that_was_refused_in_an_outage_is_not_served_stale() {
    explore(2, || {
        let config = config().serve_stale_for(Duration::from_hours(1));
        let (world, _follower) = World::new(Time::Moves, config);
        let token = &tokens().alice;
        world.clock.advance(BOUND + Duration::from_millis(1));
        let looks_up = world.spawn(|world| drop(world.request(token)));
        let refused = world.spawn(|world| {
            revoke(world, token);
            // So that it asks itself, and shares no look-up that had begun before.
            world.clock.advance(BOUND + Duration::from_millis(1));
            if world.request(token).is_err() {
                world.store.fail();
                assert!(world.request(token).is_err(), "answered by what had ended");
                world.handled();
            }
        });
        join([looks_up, refused]);
        if world.is_handled() {
            assert!(world.request(token).is_err(), "answered by what had ended");
        }
    });
}
