use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, AtomicU64},
};

use zeroize::Zeroizing;

use super::*;
use crate::{
    actor::{Actor, Urn},
    authenticate::verified::Basis,
    feed::{Change, LatestChanges, Subject},
    token::TokenId,
};

/// What is so, and tokens that are told apart by a number.
struct World {
    changes: LatestChanges,
    epoch: u64,
    policies: u64,
    now: u64,
}

impl World {
    fn new() -> Self {
        Self { changes: LatestChanges::new(1 << 16), epoch: 0, policies: 0, now: 1_000 }
    }

    fn current(&self) -> Current<'_> {
        let now = Monotonic::from_nanos(self.now);
        Current { now, epoch: self.epoch, policies: self.policies, changes: &self.changes }
    }

    /// As of one that was looked up now.
    fn entry(&self, number: usize) -> Entry {
        let actor = Urn::corpuser("alice").unwrap();
        let id = TokenId::from_bytes([u8::try_from(number % 256).unwrap(); 32]);
        Entry {
            text: Zeroizing::new(text(number).into()),
            authentication: Authentication::for_tests(Actor::new(actor.clone()), []),
            key_id: "0123456789abcdef".parse().unwrap(),
            basis: Basis {
                subjects: self.changes.subjects([Subject::Token(&id), Subject::Urn(&actor)]),
                deadline: Monotonic::from_nanos(u64::MAX),
                position: self.changes.position(),
                epoch: self.epoch,
                policies: self.policies,
            },
            use_is_due: AtomicU64::new(self.now + MINUTE),
            is_proven: AtomicBool::new(false),
        }
    }

    fn insert(&self, verified: &Verified, number: usize) {
        verified.insert(self.entry(number), Renewal::No, self.current());
    }

    fn get(&self, verified: &Verified, number: usize) -> Option<Found> {
        let due = Monotonic::from_nanos(self.now + MINUTE);
        verified.get(&text(number), self.current(), |_, _| due)
    }

    fn is_answer(&self, verified: &Verified, number: usize) -> bool {
        matches!(self.get(verified, number), Some(Found::Good(_)))
    }

    fn suspects(&self, verified: &Verified) -> Vec<Vec<u8>> {
        let (mut hand, mut found) = (Hand::default(), Vec::new());
        while !verified.suspects(&mut hand, self.current(), usize::MAX, &mut found) {}
        found.into_iter().map(|suspect| suspect.text.to_vec()).collect()
    }
}

const MINUTE: u64 = 60 * 1_000_000_000;

fn text(number: usize) -> Vec<u8> {
    format!("header.claims-{number}.{}{number:08}", "s".repeat(35)).into_bytes()
}

#[test]
fn no_more_is_remembered_than_there_is_room_for() {
    for capacity in [0, 1, 8, 33, 100, 5_000] {
        let (world, verified) = (World::new(), Verified::new(capacity));
        for number in 0..capacity * 2 + 100 {
            world.insert(&verified, number);
            assert_eq!(world.is_answer(&verified, number), capacity > 0);
        }
        let remembered = verified.len();
        assert!(remembered <= capacity, "{remembered} of {capacity}");
        assert!(remembered * 2 >= capacity, "{remembered} of {capacity}");
    }
}

#[test]
fn to_be_looked_at_and_to_be_judged_anew_is_no_use() {
    let (mut world, verified) = (World::new(), Verified::new(100));
    world.insert(&verified, 1);
    let due = world.now + MINUTE;
    let is_untouched = || {
        let hash = verified.hash(&text(1));
        let shard = verified.shard(hash).unwrap().read();
        let entry = shard.get(hash, &text(1)).unwrap();
        entry.use_is_due.load(Ordering::Relaxed) == due && !entry.is_proven.load(Ordering::Relaxed)
    };
    world.now = due + 1;
    assert!(verified.peek(&text(1), world.current()).is_some() && is_untouched());
    assert!(verified.peek(&text(2), world.current()).is_none());
    for policies in [true, false] {
        match policies {
            true => world.policies += 1,
            false => world.epoch += 1,
        }
        assert!(verified.peek(&text(1), world.current()).is_none() && is_untouched());
    }
    let (mut hand, mut found) = (Hand::default(), Vec::new());
    while !verified.suspects(&mut hand, world.current(), usize::MAX, &mut found) {}
    assert_eq!(found[0].use_is_due, Monotonic::from_nanos(due));
}

#[test]
fn nearly_as_many_as_there_is_room_for_lose_nothing() {
    let (world, verified) = (World::new(), Verified::new(100_000));
    (0..80_000).for_each(|number| world.insert(&verified, number));
    assert!(verified.len() > 79_900, "{}", verified.len());
    let largest = verified.shards.iter().map(|shard| shard.read().len()).max().unwrap();
    assert!(largest <= SHARD_CAPACITY, "{largest}");
}

#[test]
fn an_entry_is_an_answer_until_something_that_it_depends_on_moves() {
    type Move = fn(&mut World);
    let moves: [(&str, Move, bool); 8] = [
        ("nothing", |_| {}, true),
        ("its end", |world| world.now = 5_000, false),
        (
            "its token",
            |world| world.changes.push(&[Change::Token(TokenId::from_bytes([7; 32]))]),
            false,
        ),
        (
            "its actor",
            |world| world.changes.push(&[Change::Actor(Urn::corpuser("alice").unwrap())]),
            false,
        ),
        (
            "another token",
            |world| world.changes.push(&[Change::Token(TokenId::from_bytes([8; 32]))]),
            true,
        ),
        (
            "another actor",
            |world| world.changes.push(&[Change::Actor(Urn::corpuser("bob").unwrap())]),
            true,
        ),
        ("everything", |world| world.epoch += 1, false),
        ("policies", |world| world.policies += 1, false),
    ];
    // Used once, and so often that there is a copy of it.
    for (uses, (what, becomes, is_good)) in
        [1, 100].into_iter().flat_map(|uses| moves.map(|becomes| (uses, becomes)))
    {
        let (mut world, verified) = (World::new(), Verified::new(10_000));
        let [entry, made_before] = [(); 2].map(|()| {
            let mut entry = world.entry(7);
            entry.basis.deadline = Monotonic::from_nanos(5_000);
            entry
        });
        verified.insert(entry, Renewal::No, world.current());
        for _ in 0..uses {
            assert!(world.is_answer(&verified, 7));
        }
        becomes(&mut world);
        assert_eq!(world.is_answer(&verified, 7), is_good, "{what}");
        // Nor is one whose look-up began before, and which is put in behind it.
        let late = Verified::new(100);
        late.insert(made_before, Renewal::No, world.current());
        assert_eq!(world.is_answer(&late, 7), is_good, "{what}");
        let is_suspect = !world.suspects(&verified).is_empty();
        assert_eq!(is_suspect, what == "everything");
        let is_outdated = matches!(world.get(&verified, 7), Some(Found::Outdated(_)));
        assert_eq!(is_outdated, what == "policies");
    }
}

#[test]
fn what_is_used_all_the_time_has_a_copy_for_each_thread() {
    let (mut world, verified) = (World::new(), Verified::new(10_000));
    let use_it = |world: &World| {
        (0..100).for_each(|_| assert!(world.is_answer(&verified, 1)));
        let Some(Found::Good(found)) = world.get(&verified, 1) else { panic!("not good") };
        found
    };
    (0..100).for_each(|number| world.insert(&verified, number));
    let first = use_it(&world);
    assert!(use_it(&world).is_same(&first));
    let other = std::thread::scope(|scope| scope.spawn(|| use_it(&world)).join().unwrap());
    assert!(!other.is_same(&first));
    // By what is used now and then it is not driven out.
    for number in 0..100 {
        assert!(world.is_answer(&verified, number));
        assert!(use_it(&world).is_same(&first));
    }
    // Once a minute its use is noted nevertheless.
    let mut noted = 0;
    for second in 1..=600 {
        world.now = second * MINUTE / 60;
        let due = Monotonic::from_nanos(world.now + MINUTE);
        let note = |_: &_, _| {
            noted += 1;
            due
        };
        assert!(verified.get(&text(1), world.current(), note).is_some());
    }
    assert!((9..=10).contains(&noted), "{noted}");
    // And what is forgotten is no answer from a copy.
    let _ = use_it(&world);
    verified.forget(&text(1));
    assert!(world.get(&verified, 1).is_none());
}

/// How many copies this thread makes while `each` says which token is used.
fn copies(verified: &Verified, world: &World, uses: impl Iterator<Item = usize>) -> usize {
    let mut last = std::collections::HashMap::new();
    let mut made = 0;
    for number in uses {
        if let Some(Found::Good(found)) = world.get(verified, number)
            && let Some(before) = last.insert(number, found.clone())
            && !found.is_same(&before)
        {
            made += 1;
        }
    }
    made
}

#[test]
fn where_all_are_used_alike_nothing_is_copied() {
    let (world, verified) = (World::new(), Verified::new(10_000));
    (0..1_000).for_each(|number| world.insert(&verified, number));
    let uses = (0..200_000_u64).map(|step| {
        usize::try_from(step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).unwrap() % 1_000
    });
    assert_eq!(copies(&verified, &world, uses), 0);
}

#[test]
fn bad_tokens_drive_no_copies_out() {
    let (world, verified) = (World::new(), Verified::new(10_000));
    (0..100).for_each(|number| world.insert(&verified, number));
    (0..100).for_each(|_| assert!(world.is_answer(&verified, 1)));
    let Some(Found::Good(copy)) = world.get(&verified, 1) else { panic!("not good") };
    for number in 0..10_000 {
        assert!(world.get(&verified, 50_000 + number).is_none());
        // Others, which would have a copy in its place, too.
        assert!(number % 10 > 0 || world.is_answer(&verified, 2 + number / 10 % 98));
    }
    let Some(Found::Good(found)) = world.get(&verified, 1) else { panic!("not good") };
    assert!(found.is_same(&copy));
}

#[test]
fn copies_that_are_no_answers_let_go_of_what_they_hold() {
    let (mut world, verified) = (World::new(), Verified::new(10_000));
    world.insert(&verified, 1);
    (0..100).for_each(|_| assert!(world.is_answer(&verified, 1)));
    let Some(Found::Good(copy)) = world.get(&verified, 1) else { panic!("not good") };
    verified.tidy_copies(world.current());
    assert_eq!(copy.holders(), 2);
    world.policies += 1;
    verified.tidy_copies(world.current());
    assert_eq!(copy.holders(), 1);
}

#[test]
fn what_is_outdated_and_what_is_over_is_tidied_away() {
    let (mut world, verified) = (World::new(), Verified::new(1_000));
    world.insert(&verified, 1);
    world.changes.push(&[Change::Token(TokenId::from_bytes([1; 32]))]);
    world.insert(&verified, 2);
    let Some(Found::Good(old)) = world.get(&verified, 2) else { panic!("not good") };
    world.policies = 3;
    world.insert(&verified, 3);
    for shard in 0..verified.shards() {
        let renew = |old: &Authentication| Some(old.apart());
        verified.tidy(shard, world.current(), world.policies, renew);
    }
    assert!(verified.len() == 2 && world.is_answer(&verified, 3));
    let Some(Found::Good(new)) = world.get(&verified, 2) else { panic!("not good") };
    assert!(!new.is_same(&old) && old.holders() == 1);
}

#[test]
fn what_is_over_makes_room_first_and_then_what_was_not_used_again() {
    for is_over in [true, false] {
        let (mut world, verified) = (World::new(), Verified::new(1_000));
        (0..4_000).for_each(|number| world.insert(&verified, number));
        assert_eq!(verified.len(), 32 * (1_000 / 32));
        if is_over {
            world.changes.push(&[Change::Actor(Urn::corpuser("alice").unwrap())]);
        } else {
            world.epoch += 1;
        }
        world.now += 1;
        for number in 5_000..5_300 {
            world.insert(&verified, number);
        }
        let answers = (5_000..5_300).filter(|number| world.is_answer(&verified, *number)).count();
        // By chance, a few look at nothing of these.
        assert!(answers >= 297, "{answers}");
        let suspects = world.suspects(&verified);
        assert_eq!(suspects.is_empty(), is_over);
        let all: HashSet<_> = suspects.iter().collect();
        assert!(is_over || suspects.len() >= 650 && all.len() == suspects.len());
    }
}

#[test]
fn what_is_over_already_takes_nobodys_place() {
    let (mut world, verified) = (World::new(), Verified::new(1));
    let [over, suspect] = [world.entry(1), world.entry(2)];
    world.changes.push(&[Change::Token(TokenId::from_bytes([1; 32]))]);
    world.insert(&verified, 3);
    verified.insert(over, Renewal::No, world.current());
    assert!(world.is_answer(&verified, 3));
    world.epoch += 1;
    world.insert(&verified, 3);
    verified.insert(suspect, Renewal::No, world.current());
    assert!(world.is_answer(&verified, 3) && verified.len() == 1);
}

/// Tokens that are used again stay, however many there are that are used once, and however fast these
/// come.
#[test]
fn what_is_used_again_stays() {
    let (mut world, verified) = (World::new(), Verified::new(320));
    let often = 0..100;
    let mut once = 1_000;
    for number in often.clone() {
        world.insert(&verified, number);
        assert!(world.is_answer(&verified, number));
    }
    for _ in 0..20 {
        // Ten times as much as there is room for, in less than a minute.
        for _ in 0..3_200 {
            once += 1;
            world.insert(&verified, once);
        }
        world.now += MINUTE / 2;
        for number in often.clone() {
            if !world.is_answer(&verified, number) {
                world.insert(&verified, number);
            }
        }
    }
    let stayed = often.filter(|number| world.is_answer(&verified, *number)).count();
    assert!(stayed > 95, "{stayed} of 100");
}

/// What is suspect or has old privileges will be an answer again.
#[test]
fn what_is_used_again_stays_also_while_everything_is_suspect_or_outdated() {
    for is_suspect in [true, false] {
        let (mut world, verified) = (World::new(), Verified::new(3_200));
        for number in 0..1_000 {
            world.insert(&verified, number);
            assert!(world.is_answer(&verified, number));
        }
        match is_suspect {
            true => world.epoch += 1,
            false => world.policies += 1,
        }
        (10_000..15_000).for_each(|number| world.insert(&verified, number));
        match is_suspect {
            true => world.epoch -= 1,
            false => world.policies -= 1,
        }
        let stayed = (0..1_000).filter(|number| world.is_answer(&verified, *number)).count();
        assert!(stayed > 990, "{stayed} of 1000");
    }
}

/// A share that is as large as said where all that is remembered is used again.
#[test]
fn of_what_is_used_again_a_scan_takes_a_part() {
    let (world, verified) = (World::new(), Verified::new(10_000));
    for number in 0..20_000 {
        world.insert(&verified, number);
        assert!(world.is_answer(&verified, number));
    }
    let proven = || {
        let is_proven = |entry: &Entry| entry.is_proven.load(Ordering::Relaxed);
        let of = |shard: &Aligned| shard.read().all().filter(|entry| is_proven(entry)).count();
        verified.shards.iter().map(of).sum::<usize>()
    };
    let before = proven();
    (100_000..110_000).for_each(|number| world.insert(&verified, number));
    assert!(proven() * 100 > before * 75, "{} of {before}", proven());
}

#[test]
fn what_was_used_long_ago_makes_room_like_what_was_used_once() {
    let (mut world, verified) = (World::new(), Verified::new(320));
    for number in 0..10_000 {
        world.insert(&verified, number);
        assert!(world.is_answer(&verified, number));
    }
    world.now += 10 * MINUTE;
    (20_000..23_200).for_each(|number| world.insert(&verified, number));
    let old = (0..10_000).filter(|number| world.is_answer(&verified, *number)).count();
    assert!(old < 10, "{old}");
}

#[test]
fn only_what_is_there_is_renewed_and_forgotten() {
    let (world, verified) = (World::new(), Verified::new(100));
    verified.insert(world.entry(1), Renewal::Yes, world.current());
    assert_eq!(verified.len(), 0);
    world.insert(&verified, 1);
    world.insert(&verified, 2);
    verified.insert(world.entry(1), Renewal::Yes, world.current());
    assert!(verified.len() == 2 && world.is_answer(&verified, 1));
    verified.forget(&text(1));
    verified.forget(&text(3));
    assert!(!world.is_answer(&verified, 1) && world.is_answer(&verified, 2));
}

#[test]
fn what_is_judged_anew_is_still_one_that_was_used_again() {
    let (mut world, verified) = (World::new(), Verified::new(3_200));
    for number in 0..300 {
        world.insert(&verified, number);
        assert!(world.is_answer(&verified, number));
    }
    world.epoch += 1;
    for number in 0..300 {
        verified.insert(world.entry(number), Renewal::Yes, world.current());
    }
    (1_000..11_000).for_each(|number| world.insert(&verified, number));
    let stayed = (0..300).filter(|number| world.is_answer(&verified, *number)).count();
    assert!(stayed > 295, "{stayed} of 300");
}

#[test]
fn new_privileges_are_only_for_the_look_up_that_they_were_made_of() {
    let (mut world, verified) = (World::new(), Verified::new(100));
    world.insert(&verified, 1);
    world.policies = 5;
    let Some(Found::Outdated(old)) = world.get(&verified, 1) else { panic!("not outdated") };
    let renewed = old.with_privileges(old.privileges().clone());
    // Somebody looked it up anew meanwhile, and may have found other groups and roles.
    world.insert(&verified, 1);
    verified.narrow(&text(1), &old, &renewed, 5);
    let Some(Found::Good(found)) = world.get(&verified, 1) else { panic!("not good") };
    assert!(!found.is_same(&renewed) && !found.is_same(&old));
    world.policies = 6;
    verified.narrow(&text(1), &found, &renewed, 6);
    let Some(Found::Good(found)) = world.get(&verified, 1) else { panic!("not good") };
    assert!(found.is_same(&renewed));
    // By policies that are no longer in force when they come.
    world.policies = 8;
    verified.narrow(&text(1), &found, &renewed, 7);
    assert!(matches!(world.get(&verified, 1), Some(Found::Outdated(_))));
}

#[test]
fn a_use_is_noted_when_it_is_due() {
    let (mut world, verified) = (World::new(), Verified::new(100));
    world.insert(&verified, 1);
    let mut noted = 0;
    for at in [1_000, MINUTE, MINUTE + 1_000, 2 * MINUTE, 2 * MINUTE + 1_000] {
        world.now = at;
        let due = Monotonic::from_nanos(world.now + MINUTE);
        let found = verified.get(&text(1), world.current(), |_, _| {
            noted += 1;
            due
        });
        assert!(found.is_some());
    }
    assert_eq!(noted, 2);
}

#[test]
fn a_search_finds_each_suspect_once_and_no_more_than_it_is_asked_for() {
    let (mut world, verified) = (World::new(), Verified::new(10_000));
    (0..3_000).for_each(|number| world.insert(&verified, number));
    world.epoch += 1;
    let (mut hand, mut texts) = (Hand::default(), HashSet::new());
    loop {
        let mut found = Vec::new();
        let is_at_end = verified.suspects(&mut hand, world.current(), 70, &mut found);
        assert!(found.len() <= 70);
        texts.extend(found.iter().map(|suspect| suspect.text.to_vec()));
        if is_at_end && found.is_empty() {
            break;
        }
    }
    assert_eq!(texts.len(), verified.len());
}

#[test]
fn debug_shows_no_texts() {
    let (world, verified) = (World::new(), Verified::new(10));
    world.insert(&verified, 1);
    assert!(!format!("{verified:?}").contains("header"));
}

#[test]
fn what_is_judged_anew_is_as_long_unused_as_before() {
    let (mut world, verified) = (World::new(), Verified::new(100));
    world.insert(&verified, 1);
    let due = |verified: &Verified| {
        let shards = verified.shards.iter();
        let dues = shards.flat_map(|shard| {
            let shard = shard.read();
            shard.all().map(|entry| entry.use_is_due.load(Ordering::Relaxed)).collect::<Vec<_>>()
        });
        dues.collect::<Vec<_>>()
    };
    let before = due(&verified);
    world.now += 10 * MINUTE;
    verified.insert(world.entry(1), Renewal::Yes, world.current());
    assert_eq!(due(&verified), before);
    world.insert(&verified, 1);
    assert_ne!(due(&verified), before);
}
