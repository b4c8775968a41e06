use std::{fmt, hash::BuildHasher, sync::atomic::Ordering};

use super::Change;
use crate::{
    actor::Urn,
    sync::{AtomicU64, RandomState},
    token::TokenId,
};

/// How many changes have arrived, and of each subject the position of the latest: so that whoever
/// decided something by a store can tell at any time whether it is still so.
///
/// 1. Whoever decides notes the [`position`](Self::position) *before* asking the store.
/// 2. What was decided holds as long as [`none_since`](Self::none_since) that position is of a subject
///    that it depends on. Which these are may be found out later, by the answers.
///
/// A change that had arrived when the position was noted is one that the store had committed, so the
/// answers have it. Any other gets a later position, and [`push`](Self::push) does not return before
/// that stands in the place of its subject. Nothing has to be found for it, and there is no moment in
/// between that a lock would have to cover: a decision that is remembered too late is over when it is
/// remembered.
///
/// The places stay as many as they are, whatever happens, and a subject has the one that the seeded
/// hash of its name says. Two that share one end each other's decisions, which costs a question to the
/// store for each of them. A decision that depends on `k` subjects is ended by chance by one change of
/// so many as there are places, divided by `k`. Where very many change at once, that is nearly all:
/// [`is_many`](Self::is_many) says when it is better to have all of them judged anew in batches.
///
/// What makes it certain that a place is seen: the feed calls its knowledge fresh after `push` has
/// returned ([`Freshness`](super::Freshness), release), and whoever relies on what is remembered looks
/// at that first (acquire).
pub(crate) struct LatestChanges {
    arrived: AtomicU64,
    hasher: RandomState,
    /// One less than there are places, which are a power of two.
    mask: u64,
    places: Box<[AtomicU64]>,
}

/// Something that a change can be about, alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    Token(&'a TokenId),
    /// An actor, or an owner of tokens.
    Urn(&'a Urn),
}

/// The places of what a decision depends on.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    /// Enough for nearly all: the token, its actor and its owner. If there are fewer, one of them
    /// stands there again.
    first: [u32; 3],
    more: Box<[u32]>,
}

impl LatestChanges {
    /// With so many places or the next power of two, and with not more than 2^22.
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, MAX_PLACES).next_power_of_two();
        Self {
            arrived: AtomicU64::new(0),
            hasher: RandomState::default(),
            mask: u64::try_from(places - 1).unwrap_or_default(),
            places: (0..places).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// How many changes have arrived.
    pub(crate) fn position(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    /// Whether these are so many that they would end much by chance: more than a sixteenth of the places.
    pub(crate) fn is_many(&self, changes: &[Change]) -> bool {
        let limit = self.places.len() / 16;
        // Mostly there are fewer of any kind.
        changes.len() > limit
            && changes.iter().filter(|change| change.subject().is_some()).count() > limit
    }

    /// These have arrived.
    pub(crate) fn push(&self, changes: &[Change]) {
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        // First: whoever notes a position from here on asks a store that has them all.
        let position = self.arrived.fetch_add(count, Ordering::AcqRel).wrapping_add(count);
        for subject in changes.iter().filter_map(Change::subject) {
            if let Some(latest) = self.latest(self.place(subject)) {
                // Another feed's change may have got a later position, and been quicker.
                latest.fetch_max(position, Ordering::AcqRel);
            }
        }
    }

    /// The places of these.
    pub(crate) fn subjects<'a>(&self, of: impl IntoIterator<Item = Subject<'a>>) -> Subjects {
        let mut places = Vec::with_capacity(3);
        for place in of.into_iter().map(|subject| self.place(subject)) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let (few, more) = places.split_at_checked(3).unwrap_or((&places, &[]));
        let mut first = [few.first().copied().unwrap_or_default(); 3];
        first.iter_mut().zip(few).for_each(|(first, place)| *first = *place);
        Subjects { first, more: more.into() }
    }

    /// Whether no change that arrived behind `position` is about one of these.
    pub(crate) fn none_since(&self, position: u64, subjects: &Subjects) -> bool {
        let is_before = |place: &u32| {
            self.latest(*place).is_some_and(|latest| latest.load(Ordering::Acquire) <= position)
        };
        subjects.first.iter().all(is_before) && subjects.more.iter().all(is_before)
    }

    fn place(&self, of: Subject<'_>) -> u32 {
        let hash = match of {
            Subject::Token(id) => self.hasher.hash_one(id),
            Subject::Urn(urn) => self.hasher.hash_one(urn),
        };
        u32::try_from(hash & self.mask).unwrap_or_default()
    }

    fn latest(&self, place: u32) -> Option<&AtomicU64> {
        self.places.get(usize::try_from(place).ok()?)
    }
}

impl fmt::Debug for LatestChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestChanges")
            .field("arrived", &self.position())
            .field("places", &self.places.len())
            .finish_non_exhaustive()
    }
}

/// 32 MiB of places.
const MAX_PLACES: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::RuleScope;

    fn urn(id: usize) -> Urn {
        Urn::corpuser(&format!("u{id}")).unwrap()
    }

    fn of_urns(changes: &LatestChanges, ids: &[usize]) -> Subjects {
        let urns: Vec<Urn> = ids.iter().map(|id| urn(*id)).collect();
        changes.subjects(urns.iter().map(Subject::Urn))
    }

    #[test]
    fn a_change_behind_the_position_is_seen_by_what_depends_on_its_subject() {
        let changes = LatestChanges::new(1 << 16);
        let before = changes.position();
        changes.push(&[Change::Actor(urn(1))]);
        let position = changes.position();
        for (change, is_about) in [
            (Change::Actor(urn(1)), true),
            (Change::Rule(RuleScope::Actor(urn(2))), true),
            (Change::Rule(RuleScope::Owner(urn(5))), true),
            (Change::Actor(urn(7)), false),
            (Change::Token(TokenId::from_bytes([7; 32])), false),
            (Change::Policies, false),
        ] {
            let subjects = of_urns(&changes, &[1, 2, 3, 4, 5]);
            let noted = changes.position();
            assert!(changes.none_since(noted, &subjects));
            changes.push(std::slice::from_ref(&change));
            assert_ne!(changes.position(), noted);
            assert_eq!(changes.none_since(noted, &subjects), !is_about, "{change:?}");
            assert!(changes.none_since(changes.position(), &subjects));
        }
        assert!(!changes.none_since(before, &of_urns(&changes, &[1])));
        assert!(!changes.none_since(position, &of_urns(&changes, &[1])));
        assert!(changes.none_since(before, &of_urns(&changes, &[8])));
    }

    #[test]
    fn a_token_is_a_subject_by_its_id() {
        let changes = LatestChanges::new(1 << 16);
        let ids = [TokenId::from_bytes([1; 32]), TokenId::from_bytes([2; 32])];
        let [one, two] = ids.each_ref().map(|id| changes.subjects([Subject::Token(id)]));
        changes.push(&[Change::Policies, Change::Token(ids[1])]);
        assert!(changes.none_since(0, &one));
        // All that come together have one position, behind that of whoever could not know of them.
        assert!(!changes.none_since(0, &two) && !changes.none_since(1, &two));
        assert!(changes.none_since(2, &two));
    }

    #[test]
    fn a_batch_of_changes_is_many_by_its_subjects() {
        let changes = LatestChanges::new(160);
        assert_eq!(changes.places.len(), 256);
        let about = |count| vec![Change::Actor(urn(1)); count];
        assert!(!changes.is_many(&about(16)) && changes.is_many(&about(17)));
        let others = vec![Change::Policies; 100];
        assert!(!changes.is_many(&[about(16), others.clone()].concat()));
        assert!(changes.is_many(&[about(17), others].concat()));
        assert_eq!(LatestChanges::new(usize::MAX).places.len(), 1 << 22);
    }

    /// With two feeds it can happen that the later change is noted first.
    #[test]
    fn a_change_that_was_overtaken_does_not_undo_the_later_one() {
        let changes = LatestChanges::new(1);
        let subjects = of_urns(&changes, &[1]);
        changes.push(&[Change::Actor(urn(1)), Change::Policies, Change::Policies]);
        changes.arrived.store(1, Ordering::Relaxed);
        changes.push(&[Change::Actor(urn(1))]);
        assert!(!changes.none_since(2, &subjects));
    }

    /// Of a million that are remembered, a change ends by chance about as many as one depends on.
    #[test]
    fn few_share_a_place() {
        let changes = LatestChanges::new(10_000);
        let others: Vec<Subjects> =
            (0..10_000).map(|id| of_urns(&changes, &[id, id + 10_000])).collect();
        let mut ended = 0;
        for id in 0..100 {
            let position = changes.position();
            changes.push(&[Change::Actor(urn(100_000 + id))]);
            ended += others.iter().filter(|it| !changes.none_since(position, it)).count();
        }
        assert!(ended < 300, "{ended} by a hundred changes");
    }
}
