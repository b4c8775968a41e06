//! Clients that use, make and revoke tokens all the while, and judge what they are answered by what
//! was acknowledged.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};

use crate::{
    BoxError, TestResult,
    cluster::{BOUND, Cluster},
    node::{Answer, Node},
};

/// A token that somebody was given.
#[derive(Debug)]
pub(crate) struct Token {
    text: String,
    id: String,
    revocation: Mutex<Revocation>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Revocation {
    /// Somebody asked for it. From then on the token may be refused.
    is_asked: bool,
    /// When it was acknowledged.
    acknowledged: Option<Instant>,
}

/// What all clients know and have seen.
#[derive(Debug)]
struct Known {
    tokens: Mutex<Vec<Arc<Token>>>,
    /// Those that every node remembers and that no writer revokes, in the order they are revoked in.
    kept: Mutex<Vec<Arc<Token>>>,
    seen: Vec<Seen>,
    /// How many times a fault began or ended. A fault has an odd number.
    phase: AtomicUsize,
    violations: Mutex<Vec<String>>,
    is_over: AtomicBool,
    random: AtomicU64,
}

/// Answers of one node.
#[derive(Debug, Default)]
struct Seen {
    may_be_gone: AtomicBool,
    /// By the phase in which the request began.
    counts: Mutex<Vec<Counts>>,
    /// When the last request began that was accepted.
    last_accepted: Mutex<Option<Instant>>,
}

/// What was asked of one node during one phase, and answered.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// Tokens used, and how many of those later than the bound after they were revoked.
    pub(crate) used: usize,
    pub(crate) used_late: usize,
    /// What those uses came to.
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) unavailable: usize,
    /// Tokens and revocations that were asked for, and those that were acknowledged.
    pub(crate) minting: usize,
    pub(crate) made: usize,
    pub(crate) revoking: usize,
    pub(crate) revoked: usize,
}

/// Clients of all nodes, which go on until they are asked what they saw.
#[derive(Debug)]
pub(crate) struct Clients {
    known: Arc<Known>,
    nodes: Vec<Arc<Node>>,
    running: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts them, and returns once there are tokens.
    pub(crate) async fn start(cluster: &Cluster) -> Result<Self, BoxError> {
        let known = Arc::new(Known {
            tokens: Mutex::default(),
            kept: Mutex::default(),
            phase: AtomicUsize::new(0),
            seen: cluster.nodes.iter().map(|_| Seen::default()).collect(),
            violations: Mutex::default(),
            is_over: AtomicBool::new(false),
            random: AtomicU64::new(0x9e37_79b9_7f4a_7c15),
        });
        for (number, node) in cluster.nodes.iter().enumerate() {
            for _ in 0..10 {
                known.make(number, node, &cluster.root).await;
            }
        }
        for _ in 0..KEPT {
            let kept = known.make(0, &cluster.nodes[0], &cluster.root).await;
            known.kept.lock().unwrap().push(kept.ok_or("no token to keep")?);
        }
        let kept = known.kept.lock().unwrap().clone();
        for (node, token) in
            cluster.nodes.iter().flat_map(|node| kept.iter().map(move |t| (node, t)))
        {
            // Looked up by the first, remembered from the second on.
            for _ in 0..2 {
                assert_eq!(node.ask(&token.text).await, Answer::Accepted, "{}", node.name);
            }
        }
        let mut running = Vec::new();
        for (number, node) in cluster.nodes.iter().enumerate() {
            for _ in 0..USING {
                let (known, node) = (known.clone(), node.clone());
                running.push(tokio::spawn(async move { known.use_them(number, &node).await }));
            }
            for _ in 0..WRITING {
                let (known, node) = (known.clone(), node.clone());
                let root = cluster.root.clone();
                running.push(tokio::spawn(async move { known.write(number, &node, &root).await }));
            }
        }
        Ok(Self { known, nodes: cluster.nodes.clone(), running })
    }

    /// From now on this node may be gone, or no more.
    pub(crate) fn may_be_gone(&self, node: usize, may: bool) {
        self.known.seen[node].may_be_gone.store(may, Ordering::SeqCst);
    }

    /// A fault begins: what is counted from now on is counted apart.
    pub(crate) fn fault(&self) {
        assert_eq!(self.known.phase.fetch_add(1, Ordering::SeqCst) % 2, 0, "it is a fault already");
    }

    /// The fault is over.
    pub(crate) fn calm(&self) {
        assert_eq!(self.known.phase.fetch_add(1, Ordering::SeqCst) % 2, 1, "there is no fault");
    }

    /// What was asked of a node, and answered, since this phase began.
    pub(crate) fn counts(&self, node: usize) -> Counts {
        self.known.seen[node].in_phase(self.known.phase.load(Ordering::SeqCst))
    }

    /// Revokes some of the tokens that every node remembers by way of this node, which may fail, and
    /// returns those whose revocation was acknowledged. Clients go on using all of them.
    pub(crate) async fn revoke_kept(&self, number: usize, root: &str) -> Vec<Arc<Token>> {
        let revoked: Vec<_> = {
            let mut kept = self.known.kept.lock().unwrap();
            let length = kept.len();
            kept.drain(length.saturating_sub(KEPT_REVOKED)..).collect()
        };
        assert_eq!(revoked.len(), KEPT_REVOKED, "too few tokens are kept");
        let node = &self.nodes[number];
        let all = revoked.iter().map(|token| self.known.revoke(number, node, root, token));
        futures_util::future::join_all(all).await;
        revoked.into_iter().filter(|token| token.revocation().acknowledged.is_some()).collect()
    }

    /// Asks for these tokens at every node without a pause, from now until each has refused each. None
    /// may accept one, since their revocations were acknowledged earlier than the bound.
    pub(crate) fn watch_revoked(&self, revoked: &[Arc<Token>]) -> JoinHandle<TestResult> {
        let (nodes, revoked) = (self.nodes.clone(), revoked.to_vec());
        tokio::spawn(async move {
            let all = nodes.iter().flat_map(|node| revoked.iter().map(move |token| (node, token)));
            let all = all.map(async |(node, token)| {
                let begun = Instant::now();
                loop {
                    let late = token.revocation().acknowledged.map(|then| then.elapsed());
                    match node.ask(&token.text).await {
                        Answer::Refused(401, code) if code == REVOKED => return Ok(()),
                        Answer::Unavailable if begun.elapsed() < PATIENCE => {}
                        Answer::Accepted if late <= Some(BOUND) => {}
                        answer => {
                            let name = &node.name;
                            let what = format!("{name}: {answer:?} {late:?} after a revocation");
                            return Err(BoxError::from(what));
                        }
                    }
                    sleep(Duration::from_millis(2)).await;
                }
            });
            futures_util::future::try_join_all(all).await.map(|_| ())
        })
    }

    /// Asks every node about every token that is still kept; each must be accepted.
    pub(crate) async fn ask_kept(&self) -> Result<(), BoxError> {
        let kept = self.known.kept.lock().unwrap().clone();
        assert!(!kept.is_empty());
        for node in &self.nodes {
            for token in &kept {
                let answer = node.ask(&token.text).await;
                if answer != Answer::Accepted {
                    return Err(format!("{}: {answer:?} to a kept token", node.name).into());
                }
            }
        }
        Ok(())
    }

    /// When the last request began that this node accepted.
    pub(crate) fn last_accepted(&self, node: usize) -> Option<Instant> {
        *self.known.seen[node].last_accepted.lock().unwrap()
    }

    async fn ask(&self, token: &Token) -> Vec<Answer> {
        let all = self.nodes.iter().map(|node| node.ask(&token.text));
        futures_util::future::join_all(all).await
    }

    /// Ends them, asks every node about every token, and fails if any answer was wrong.
    pub(crate) async fn judge(mut self) -> Result<(), BoxError> {
        self.known.is_over.store(true, Ordering::SeqCst);
        for client in std::mem::take(&mut self.running) {
            client.await?;
        }
        // Revocations of the last second need not have arrived.
        sleep(BOUND).await;
        let tokens = self.known.tokens.lock().unwrap().clone();
        let mut revoked = 0;
        for token in &tokens {
            let revocation = token.revocation();
            revoked += usize::from(revocation.acknowledged.is_some());
            let dead = Answer::Refused(401, REVOKED.to_owned());
            let is_right = |answers: &[Answer]| match (revocation.is_asked, revocation.acknowledged)
            {
                (false, _) => answers.iter().all(|answer| *answer == Answer::Accepted),
                (true, Some(_)) => answers.iter().all(|answer| *answer == dead),
                // Nobody knows, but all nodes say the same.
                (true, None) => [Answer::Accepted, dead.clone()]
                    .iter()
                    .any(|one| answers.iter().all(|answer| answer == one)),
            };
            let mut answers = self.ask(token).await;
            if !is_right(&answers) && revocation.is_asked && revocation.acknowledged.is_none() {
                // Written while they were asked.
                sleep(BOUND).await;
                answers = self.ask(token).await;
            }
            if !is_right(&answers) {
                self.known.violation(format_args!(
                    "afterwards the nodes say {answers:?} to a token with {revocation:?}"
                ));
            }
        }
        self.known.everything_was_tried();
        println!("{} tokens, {revoked} of them revoked", tokens.len());
        for (seen, node) in self.known.seen.iter().zip(&self.nodes) {
            for (phase, counts) in seen.counts.lock().unwrap().iter().enumerate() {
                let phase = if phase % 2 == 0 { "calm" } else { "fault" };
                println!("{}, {phase}: {counts:?}", node.name);
            }
        }
        let violations = self.known.violations.lock().unwrap();
        if violations.is_empty() {
            return Ok(());
        }
        let logs: Vec<String> =
            self.nodes.iter().map(|node| format!("{}:\n{}", node.name, node.log())).collect();
        let (first, logs) = (&violations[..violations.len().min(10)], logs.join("\n"));
        Err(format!("{} wrong answers: {first:#?}\n{logs}", violations.len()).into())
    }
}

impl Seen {
    fn count(&self, phase: usize, what: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap();
        if counts.len() <= phase {
            counts.resize(phase + 1, Counts::default());
        }
        what(&mut counts[phase]);
    }

    fn in_phase(&self, phase: usize) -> Counts {
        self.counts.lock().unwrap().get(phase).copied().unwrap_or_default()
    }
}

impl Token {
    fn revocation(&self) -> Revocation {
        *self.revocation.lock().unwrap()
    }
}

impl Known {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn violation(&self, what: fmt::Arguments<'_>) {
        self.violations.lock().unwrap().push(what.to_string());
    }

    fn count(&self, number: usize, phase: usize, what: impl FnOnce(&mut Counts)) {
        self.seen[number].count(phase, what);
    }

    fn phase(&self) -> usize {
        self.phase.load(Ordering::SeqCst)
    }

    /// An answer that was not asked for is not wrong, so each thing must have been tried: before and
    /// after each fault it must have come to something, too.
    fn everything_was_tried(&self) {
        for phase in 0..=self.phase() {
            let mut all = Counts::default();
            for (number, seen) in self.seen.iter().enumerate() {
                let counts = seen.in_phase(phase);
                all.minting += counts.minting;
                all.revoking += counts.revoking;
                all.used_late += counts.used_late;
                let is_calm = phase % 2 == 0;
                let came_to = [
                    counts.accepted,
                    counts.refused,
                    counts.used_late,
                    counts.made,
                    counts.revoked,
                ];
                if is_calm && came_to.contains(&0) {
                    self.violation(format_args!("node{}, calm {phase}: {counts:?}", number + 1));
                }
            }
            if [all.minting, all.revoking, all.used_late].contains(&0) {
                self.violation(format_args!("not tried in phase {phase}: {all:?}"));
            }
        }
    }

    fn random(&self, below: usize) -> usize {
        // Steele and others: SplitMix64.
        let mut x = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % below as u64).unwrap()
    }

    /// Any token, but one of the last ones in half of the cases.
    fn some_token(&self) -> Arc<Token> {
        let kind = self.random(4);
        if kind == 0 {
            let kept = self.kept.lock().unwrap();
            if !kept.is_empty() {
                return kept[self.random(kept.len())].clone();
            }
        }
        let recent = kind == 1;
        let tokens = self.tokens.lock().unwrap();
        if kind == 2 {
            let is_dead = |token: &&Arc<Token>| token.revocation().acknowledged.is_some();
            let dead: Vec<_> = tokens.iter().filter(is_dead).collect();
            if !dead.is_empty() {
                return dead[self.random(dead.len())].clone();
            }
        }
        let among = if recent { tokens.len().min(30) } else { tokens.len() };
        tokens[tokens.len() - 1 - self.random(among)].clone()
    }

    /// Uses tokens, good ones and revoked ones.
    async fn use_them(&self, number: usize, node: &Node) {
        while !self.is_over() {
            let token = self.some_token();
            let before = token.revocation();
            let begun = Instant::now();
            let phase = self.phase();
            let late = before.acknowledged.is_some_and(|then| begun - then > BOUND);
            self.count(number, phase, |counts| {
                counts.used += 1;
                counts.used_late += usize::from(late);
            });
            let answer = node.ask(&token.text).await;
            let seen = &self.seen[number];
            match &answer {
                Answer::Accepted => {
                    seen.count(phase, |counts| counts.accepted += 1);
                    let mut last = seen.last_accepted.lock().unwrap();
                    *last = (*last).max(Some(begun));
                    drop(last);
                    if let Some(late) = before.acknowledged.map(|then| begun - then)
                        && late > BOUND
                    {
                        self.violation(format_args!(
                            "{} accepted a token {late:?} after its revocation",
                            node.name
                        ));
                    }
                }
                Answer::Refused(..) => {
                    seen.count(phase, |counts| counts.refused += 1);
                    if !token.revocation().is_asked {
                        self.violation(format_args!(
                            "{} answered {answer:?} to a good token",
                            node.name
                        ));
                    }
                }
                other => {
                    if *other == Answer::Unavailable {
                        seen.count(phase, |counts| counts.unavailable += 1);
                    }
                    self.note(number, node, other, "a use");
                }
            }
            sleep(PACE).await;
        }
    }

    /// Makes tokens, and revokes some of those made by way of this node.
    async fn write(&self, number: usize, node: &Node, root: &str) {
        while !self.is_over() {
            let Some(made) = self.make(number, node, root).await else {
                sleep(AFTER_FAILURE).await;
                continue;
            };
            sleep(WRITING_PACE).await;
            if self.random(2) == 0 {
                // Used before it is revoked, so that a node remembers it.
                sleep(WRITING_PACE * 4).await;
                self.revoke(number, node, root, &made).await;
            }
        }
    }

    async fn revoke(&self, number: usize, node: &Node, root: &str, token: &Token) {
        let phase = self.phase();
        self.count(number, phase, |counts| counts.revoking += 1);
        token.revocation.lock().unwrap().is_asked = true;
        match node.revoke(root, &token.id).await {
            Answer::Accepted => {
                token.revocation.lock().unwrap().acknowledged = Some(Instant::now());
                self.count(number, phase, |counts| counts.revoked += 1);
            }
            refused @ Answer::Refused(..) => {
                self.violation(format_args!("{} answered {refused:?} to root", node.name));
            }
            other => self.note(number, node, &other, "a revocation"),
        }
    }

    async fn make(&self, number: usize, node: &Node, root: &str) -> Option<Arc<Token>> {
        let phase = self.phase();
        self.count(number, phase, |counts| counts.minting += 1);
        match node.mint(root, "datahub", "one of many").await {
            Ok((text, id)) => {
                self.count(number, phase, |counts| counts.made += 1);
                let token = Arc::new(Token { text, id, revocation: Mutex::default() });
                self.tokens.lock().unwrap().push(token.clone());
                Some(token)
            }
            Err(refused @ Answer::Refused(..)) => {
                self.violation(format_args!("{} answered {refused:?} to root", node.name));
                None
            }
            Err(other) => {
                self.note(number, node, &other, "minting");
                None
            }
        }
    }

    /// An answer that says nothing about the token.
    fn note(&self, number: usize, node: &Node, answer: &Answer, what: &str) {
        let seen = &self.seen[number];
        match answer {
            Answer::Unavailable => {}
            Answer::NoNode if seen.may_be_gone.load(Ordering::SeqCst) => {}
            answer => self.violation(format_args!("{} answered {answer:?} to {what}", node.name)),
        }
    }
}

/// How many tokens every node remembers from the start, and how many of those are revoked at once.
const KEPT: usize = 60;
const KEPT_REVOKED: usize = 10;
/// What the code of a revoked token is.
const REVOKED: &str = "token_revoked";
/// How long after a fault a node may still be without the store.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many clients use tokens, and how many write, of each node.
const USING: usize = 10;
const WRITING: usize = 2;
/// How long they wait between two requests, so that there is time for other things.
const PACE: Duration = Duration::from_millis(40);
const WRITING_PACE: Duration = Duration::from_millis(60);
const AFTER_FAILURE: Duration = Duration::from_millis(200);
