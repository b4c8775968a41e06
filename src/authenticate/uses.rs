//! When tokens were used: noted in memory on a request's path, and written beside it.

use std::{
    collections::HashMap,
    fmt, mem,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use foldhash::fast::RandomState;
use http::{HeaderValue, header};
use tokio::{sync::Notify, time::timeout};

use super::{ClientAddress, RequestHead};
use crate::{
    backend::{StoreError, chain},
    clock::{Monotonic, Timestamp},
    token::{LastUse, TokenId},
    token_service::TokenUses,
};

/// Collects the uses of tokens, at most one a minute of each, and has them written in batches.
///
/// All memory is bounded: what finds no room is not noted. What a store does not take waits until it
/// does, as long as there is room.
pub(super) struct Uses {
    store: Arc<dyn TokenUses>,
    /// By token, so that a request waits only for who has a token of the same part, and never while
    /// much memory is moved.
    parts: Box<[Mutex<Noted>]>,
    /// How many wait, in all parts.
    waiting: AtomicUsize,
    /// Until when nothing is said of uses that are lost, in nanoseconds of monotonic time.
    said_until: AtomicU64,
    /// There is something to write, or nothing will come any more.
    woken: Notify,
    /// It should not wait until more has come together.
    urgent: Notify,
    is_closing: AtomicBool,
    /// Held while writing, so that a batch is written once.
    writing: tokio::sync::Mutex<Writing>,
}

#[derive(Default)]
struct Writing {
    /// Whether the store failed when it was last written to.
    is_failing: bool,
    /// The part from which on the next batch is taken, so that each has its turn.
    next: usize,
}

#[derive(Default)]
struct Noted {
    /// When each token may be noted again. After a minute the younger generation becomes the older
    /// one, in which by then is nothing that still counts.
    younger: HashMap<TokenId, Monotonic, RandomState>,
    older: HashMap<TokenId, Monotonic, RandomState>,
    /// When that is next.
    rotates_at: Option<Monotonic>,
    waiting: HashMap<TokenId, LastUse, RandomState>,
}

/// Where a request comes from, apart from the request: cheap to make, nothing is copied.
#[derive(Clone)]
pub(super) struct Origin {
    address: Option<IpAddr>,
    agent: Option<HeaderValue>,
}

impl Origin {
    pub(super) fn of(head: RequestHead<'_>) -> Self {
        Self {
            address: head.extensions.get().map(|ClientAddress(address)| *address),
            agent: head.headers.get(header::USER_AGENT).cloned(),
        }
    }

    fn used_at(&self, at: Timestamp) -> LastUse {
        LastUse {
            at,
            address: self.address.map(|address| address.to_canonical().to_string()),
            agent: self.agent.as_ref().and_then(agent_text),
        }
    }
}

impl Uses {
    /// How often a token's use is noted at most.
    pub(super) const MINUTE: Duration = MINUTE;

    /// Collects what [`run`](Self::run) writes.
    pub(super) fn new(store: Arc<dyn TokenUses>) -> Self {
        Self {
            store,
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            waiting: AtomicUsize::new(0),
            said_until: AtomicU64::new(0),
            woken: Notify::new(),
            urgent: Notify::new(),
            is_closing: AtomicBool::new(false),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Notes a use at the time `at`, unless one was noted within the last minute. Returns from when
    /// on the next one may be.
    pub(super) fn note(
        &self,
        id: TokenId,
        origin: &Origin,
        at: Timestamp,
        now: Monotonic,
    ) -> Monotonic {
        let Some(mut noted) = self.part(&id) else { return now.saturating_add(MINUTE) };
        let (again, rotates_at) = match noted.may_note(&id, now) {
            Ok(rotates_at) => (now.saturating_add(MINUTE), rotates_at),
            Err(again) => return again,
        };
        let room_from = if noted.younger.len() >= MAX_NOTED / PARTS {
            // There is none before, however often it is asked for.
            Some(rotates_at)
        } else if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING
            && !noted.waiting.contains_key(&id)
        {
            // What waits is written soon.
            Some(now.saturating_add(GATHER))
        } else {
            None
        };
        if let Some(room_from) = room_from {
            drop(noted);
            self.say_that_some_are_lost(now);
            return room_from;
        }
        noted.younger.insert(id, again);
        if noted.waiting.insert(id, origin.used_at(at)).is_none() {
            // While the part is locked, so that none is taken off before it is counted.
            match self.waiting.fetch_add(1, Ordering::AcqRel).saturating_add(1) {
                1 => self.woken.notify_one(),
                ENOUGH => self.urgent.notify_one(),
                _ => {}
            }
        }
        again
    }

    /// Once a minute.
    fn say_that_some_are_lost(&self, now: Monotonic) {
        let until = self.said_until.load(Ordering::Relaxed);
        let next = now.saturating_add(MINUTE).as_nanos();
        let is_due = until <= now.as_nanos();
        let order = Ordering::Relaxed;
        if is_due && self.said_until.compare_exchange(until, next, order, order).is_ok() {
            tracing::warn!("more tokens are used than can be noted: some uses are lost");
        }
    }

    /// Writes what is noted, until nothing will come any more.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            if !self.is_closing() && self.waiting.load(Ordering::Acquire) == 0 {
                self.woken.notified().await;
            }
            if !self.is_closing() {
                let _ = timeout(GATHER, self.urgent.notified()).await;
            }
            // What is closing before it writes has seen everything.
            let is_closing = self.is_closing();
            // Logged there, and what was not written is tried again.
            let _ = self.flush().await;
            if is_closing {
                return;
            }
        }
    }

    /// Ends [`run`](Self::run) when it has tried to write what is waiting.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.woken.notify_one();
        self.urgent.notify_one();
    }

    /// Writes what is waiting now.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let mut writing = self.writing.lock().await;
        let batches = self.waiting.load(Ordering::Acquire).div_ceil(BATCH);
        for _ in 0..batches {
            let batch = self.batch(&mut writing.next);
            let written = match timeout(WRITE_LIMIT, self.store.record_uses(&batch)).await {
                Ok(written) => written,
                Err(elapsed) => Err(StoreError::unavailable(elapsed)),
            };
            match written {
                Ok(()) => {
                    self.remove(&batch);
                    if mem::take(&mut writing.is_failing) {
                        tracing::info!("the uses of tokens are noted again");
                    }
                }
                Err(error) => {
                    // Once, and not at every attempt.
                    if !mem::replace(&mut writing.is_failing, true) {
                        tracing::warn!(cause = %chain(&error), "the uses of tokens are not noted");
                    }
                    if !matches!(error, StoreError::Unavailable(_)) {
                        // Trying again would not help, and would keep others from being written.
                        self.remove(&batch);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// What is written next: once around all parts, from this one on, as far as there is room.
    fn batch(&self, next: &mut usize) -> Vec<(TokenId, LastUse)> {
        let mut batch = Vec::new();
        for _ in 0..PARTS {
            let Some(part) = self.parts.get(*next) else { break };
            let room = BATCH.saturating_sub(batch.len());
            let waiting = &lock(part).waiting;
            batch.extend(waiting.iter().take(room).map(|(id, used)| (*id, used.clone())));
            if waiting.len() > room {
                break;
            }
            *next = (*next + 1) % PARTS;
        }
        batch
    }

    /// Forgets what was written, but not what was noted meanwhile.
    fn remove(&self, batch: &[(TokenId, LastUse)]) {
        for (id, written) in batch {
            let Some(mut noted) = self.part(id) else { continue };
            if noted.waiting.get(id) == Some(written) && noted.waiting.remove(id).is_some() {
                self.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            // What a flood took is given back.
            if noted.waiting.is_empty() {
                noted.waiting.shrink_to(BATCH / PARTS);
            }
        }
    }

    /// The part of a token. Ids are hashes of what only this service signs.
    fn part(&self, id: &TokenId) -> Option<MutexGuard<'_, Noted>> {
        let [first, ..] = id.as_bytes();
        self.parts.get(usize::from(*first) % PARTS).map(lock)
    }
}

fn lock(part: &Mutex<Noted>) -> MutexGuard<'_, Noted> {
    // Nothing that runs under the lock panics half-way through a change.
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Noted {
    /// Whether the token may be noted, with when the generations change next; or from when on.
    fn may_note(&mut self, id: &TokenId, now: Monotonic) -> Result<Monotonic, Monotonic> {
        let rotates_at = match self.rotates_at {
            Some(at) if now < at => at,
            _ => {
                self.older = mem::take(&mut self.younger);
                now.saturating_add(MINUTE)
            }
        };
        self.rotates_at = Some(rotates_at);
        match self.younger.get(id).or_else(|| self.older.get(id)) {
            Some(again) if now < *again => Err(*again),
            _ => Ok(rotates_at),
        }
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uses").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The text of a `User-Agent`, to be shown to people: cut, and without what is no character to show.
fn agent_text(value: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(value.as_bytes());
    let shown = text.chars().filter(|char| !char.is_control()).take(MAX_AGENT);
    let shown = shown.collect::<String>();
    (!shown.trim().is_empty()).then_some(shown)
}

/// How often a token's use is noted at most.
const MINUTE: Duration = Duration::from_mins(1);

/// For how long uses come together before they are written, so that a page that is loaded right
/// after a use shows it, and a busy service writes once a second.
const GATHER: Duration = Duration::from_secs(1);

/// How long writing a batch may take.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// How many uses are written in one transaction, so that no other writer waits for long.
const BATCH: usize = 500;

/// So many uses are written at once.
const ENOUGH: usize = 1_000;

/// How many uses wait at most: with addresses and agents, 8 MB.
const MAX_WAITING: usize = 8 * 1024;

/// Of how many tokens a generation knows when they were noted: with both, 8 MB.
const MAX_NOTED: usize = 64 * 1024;

/// In how many parts they are, so that none grows beyond some ten kilobytes.
const PARTS: usize = 128;

/// How many characters of a `User-Agent` are kept.
const MAX_AGENT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const AT: Timestamp = Timestamp::from_seconds(1_750_000_000);
    const NOBODY: Origin = Origin { address: None, agent: None };

    fn uses() -> Uses {
        Uses::new(Arc::new(MemoryStore::default()))
    }

    fn id(number: usize) -> TokenId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        TokenId::from_bytes(bytes)
    }

    fn count(uses: &Uses, of: impl Fn(&Noted) -> usize) -> usize {
        uses.parts.iter().map(|part| of(&lock(part))).sum()
    }

    fn forget_waiting(uses: &Uses) {
        uses.parts.iter().for_each(|part| lock(part).waiting.clear());
        uses.waiting.store(0, Ordering::Relaxed);
    }

    fn second(number: u64) -> Monotonic {
        Monotonic::from_nanos(0).saturating_add(Duration::from_secs(number))
    }

    fn agent(bytes: &[u8]) -> Option<String> {
        agent_text(&HeaderValue::from_bytes(bytes).unwrap())
    }

    #[test]
    fn an_agent_is_cut_and_has_no_control_characters() {
        assert_eq!(agent(b"curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(agent(b"a\tb\xc2\x9bc").as_deref(), Some("abc"));
        assert_eq!(agent("ü".repeat(5_000).as_bytes()), Some("ü".repeat(200)));
        assert_eq!(agent(b"a\xff").as_deref(), Some("a\u{fffd}"));
        for empty in [b"" as &[u8], b" ", b"\t"] {
            assert_eq!(agent(empty), None);
        }
    }

    #[test]
    fn an_address_of_version_4_is_written_as_one() {
        let origin = |address: &str| Origin { address: address.parse().ok(), agent: None };
        for (address, text) in [("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::1")] {
            assert_eq!(origin(address).used_at(AT).address.as_deref(), Some(text));
        }
    }

    #[test]
    fn a_token_is_noted_once_a_minute_whenever_the_generations_change() {
        for first in [0, 1, 30, 59, 60, 61, 119] {
            let uses = uses();
            uses.note(id(0), &NOBODY, AT, second(0));
            let again = uses.note(id(1), &NOBODY, AT, second(first));
            assert_eq!(again, second(first + 60));
            for later in 1..60 {
                assert_eq!(uses.note(id(1), &NOBODY, AT, second(first + later)), again);
            }
            let again = uses.note(id(1), &NOBODY, AT, second(first + 60));
            assert_eq!(again, second(first + 120), "{first}");
        }
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let uses = uses();
        for number in 0..MAX_NOTED * 3 {
            // As a part changes its generations on its own, all have begun at the same time.
            let at = second(if number < MAX_NOTED { 0 } else { 20 });
            let again = uses.note(id(number), &NOBODY, AT, at);
            // Whatever is not noted is asked about again when there is room, and not before.
            assert_eq!(again, second(60), "{number}");
            if number % MAX_WAITING == 0 {
                forget_waiting(&uses);
            }
        }
        assert_eq!(count(&uses, |it| it.younger.len()), MAX_NOTED);
        for part in &uses.parts {
            assert_eq!(lock(part).younger.len(), MAX_NOTED / PARTS);
        }
        forget_waiting(&uses);
        // A minute later there is room again, and another minute later the memory of the first.
        let others = MAX_NOTED - MAX_NOTED / PARTS;
        for at in [60, 120] {
            assert_eq!(uses.note(id(0), &NOBODY, AT, second(at)), second(at + 60));
            assert_eq!(count(&uses, |it| it.younger.len()), others + 1);
        }
        assert_eq!(count(&uses, |it| it.older.len()), 1);
    }

    #[test]
    fn what_waits_is_bounded_and_what_finds_no_room_comes_again_soon() {
        let uses = uses();
        for number in 0..MAX_WAITING {
            assert_eq!(uses.note(id(number), &NOBODY, AT, second(0)), second(60));
        }
        assert_eq!(uses.said_until.load(Ordering::Relaxed), 0);
        for number in MAX_WAITING..MAX_WAITING + 10 {
            assert_eq!(uses.note(id(number), &NOBODY, AT, second(0)), second(1));
        }
        assert_eq!(uses.said_until.load(Ordering::Relaxed), second(60).as_nanos());
        assert_eq!(count(&uses, |it| it.waiting.len()), MAX_WAITING);
        assert_eq!(uses.waiting.load(Ordering::Relaxed), MAX_WAITING);
        // A later use of what waits takes its place.
        let later = AT.saturating_add(MINUTE);
        assert_eq!(uses.note(id(0), &NOBODY, later, second(60)), second(120));
        assert_eq!(uses.part(&id(0)).unwrap().waiting[&id(0)].at, later);
        // There is room a second later.
        forget_waiting(&uses);
        assert_eq!(uses.note(id(MAX_WAITING), &NOBODY, AT, second(61)), second(121));
        assert_eq!(count(&uses, |it| it.waiting.len()), 1);
    }

    #[tokio::test]
    async fn what_waits_is_taken_from_all_parts_in_turn_and_counted() {
        let uses = uses();
        let waiting = BATCH * 3 + 1;
        for number in 0..waiting {
            uses.note(id(number), &NOBODY, AT, second(0));
        }
        let (mut next, mut written) = (0, Vec::new());
        for size in [BATCH, BATCH, BATCH, 1] {
            let batch = uses.batch(&mut next);
            assert_eq!(batch.len(), size);
            // Of one of them comes a later use meanwhile, which stays.
            let (first, _) = batch[0];
            if size == 1 {
                uses.note(first, &NOBODY, AT.saturating_add(MINUTE), second(60));
            }
            uses.remove(&batch);
            written.extend(batch.into_iter().map(|(id, _)| *id.as_bytes()));
        }
        written.sort_unstable();
        written.dedup();
        assert_eq!(written.len(), waiting);
        assert_eq!(uses.waiting.load(Ordering::Relaxed), 1);
        assert_eq!(uses.batch(&mut next).len(), 1);
        uses.flush().await.unwrap();
        assert_eq!(uses.waiting.load(Ordering::Relaxed), 0);
    }
}
