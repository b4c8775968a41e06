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
    BoxError,
    cluster::{BOUND, Cluster},
    node::{Answer, Node},
};

/// A token that somebody was given.
#[derive(Debug)]
struct Token {
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
    seen: Vec<Seen>,
    violations: Mutex<Vec<String>>,
    is_over: AtomicBool,
    random: AtomicU64,
}

/// Answers of one node.
#[derive(Debug, Default)]
struct Seen {
    may_be_gone: AtomicBool,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    unavailable: AtomicUsize,
    made: AtomicUsize,
    revoked: AtomicUsize,
    /// When the last request began that was accepted.
    last_accepted: Mutex<Option<Instant>>,
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

    /// How many requests a node has answered by "come again".
    pub(crate) fn unavailable(&self, node: usize) -> usize {
        self.known.seen[node].unavailable.load(Ordering::SeqCst)
    }

    /// How many tokens were revoked by way of a node.
    pub(crate) fn revoked(&self, node: usize) -> usize {
        self.known.seen[node].revoked.load(Ordering::SeqCst)
    }

    /// How many requests a node has accepted.
    pub(crate) fn accepted(&self, node: usize) -> usize {
        self.known.seen[node].accepted.load(Ordering::SeqCst)
    }

    /// When the last request began that this node accepted.
    pub(crate) fn last_accepted(&self, node: usize) -> Option<Instant> {
        *self.known.seen[node].last_accepted.lock().unwrap()
    }

    /// Ends them, asks every node about every token, and fails if any answer was wrong.
    pub(crate) async fn judge(self) -> Result<(), BoxError> {
        self.known.is_over.store(true, Ordering::SeqCst);
        for client in self.running {
            client.await?;
        }
        // Revocations of the last second need not have arrived.
        sleep(BOUND).await;
        let tokens = self.known.tokens.lock().unwrap().clone();
        let mut revoked = 0;
        for token in &tokens {
            let revocation = token.revocation();
            revoked += usize::from(revocation.acknowledged.is_some());
            for node in &self.nodes {
                let answer = node.ask(&token.text).await;
                let is_right = match (revocation.is_asked, revocation.acknowledged) {
                    (false, _) => answer == Answer::Accepted,
                    (true, Some(_)) => answer == Answer::Refused(401, "token_revoked".to_owned()),
                    (true, None) => matches!(answer, Answer::Accepted | Answer::Refused(401, _)),
                };
                if !is_right {
                    self.known.violation(format_args!(
                        "afterwards {} says {answer:?} to a token with {revocation:?}",
                        node.name
                    ));
                }
            }
        }
        println!("{} tokens, {revoked} of them revoked", tokens.len());
        for (seen, node) in self.known.seen.iter().zip(&self.nodes) {
            println!("{}: {seen}", node.name);
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

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        write!(
            f,
            "{} accepted, {} refused, {} unavailable, {} made, {} revoked",
            count(&self.accepted),
            count(&self.refused),
            count(&self.unavailable),
            count(&self.made),
            count(&self.revoked)
        )
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

    fn random(&self, below: usize) -> usize {
        // Steele and others: SplitMix64.
        let mut x = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % below as u64).unwrap()
    }

    /// Any token, but one of the last ones in half of the cases.
    fn some_token(&self) -> Arc<Token> {
        let recent = self.random(2) == 0;
        let tokens = self.tokens.lock().unwrap();
        let among = if recent { tokens.len().min(30) } else { tokens.len() };
        tokens[tokens.len() - 1 - self.random(among)].clone()
    }

    /// Uses tokens, good ones and revoked ones.
    async fn use_them(&self, number: usize, node: &Node) {
        while !self.is_over() {
            let token = self.some_token();
            let before = token.revocation();
            let begun = Instant::now();
            let answer = node.ask(&token.text).await;
            let seen = &self.seen[number];
            match &answer {
                Answer::Accepted => {
                    seen.accepted.fetch_add(1, Ordering::SeqCst);
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
                    seen.refused.fetch_add(1, Ordering::SeqCst);
                    if !token.revocation().is_asked {
                        self.violation(format_args!(
                            "{} answered {answer:?} to a good token",
                            node.name
                        ));
                    }
                }
                other => self.note(number, node, other, "a use"),
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
                made.revocation.lock().unwrap().is_asked = true;
                match node.revoke(root, &made.id).await {
                    Answer::Accepted => {
                        self.seen[number].revoked.fetch_add(1, Ordering::SeqCst);
                        made.revocation.lock().unwrap().acknowledged = Some(Instant::now());
                    }
                    refused @ Answer::Refused(..) => {
                        self.violation(format_args!("{} answered {refused:?} to root", node.name));
                    }
                    other => self.note(number, node, &other, "a revocation"),
                }
            }
        }
    }

    async fn make(&self, number: usize, node: &Node, root: &str) -> Option<Arc<Token>> {
        match node.mint(root, "datahub", "one of many").await {
            Ok((text, id)) => {
                self.seen[number].made.fetch_add(1, Ordering::SeqCst);
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
            Answer::Unavailable => {
                seen.unavailable.fetch_add(1, Ordering::SeqCst);
            }
            Answer::NoNode if seen.may_be_gone.load(Ordering::SeqCst) => {}
            answer => self.violation(format_args!("{} answered {answer:?} to {what}", node.name)),
        }
    }
}

/// How many clients use tokens, and how many write, of each node.
const USING: usize = 10;
const WRITING: usize = 2;
/// How long they wait between two requests, so that there is time for other things.
const PACE: Duration = Duration::from_millis(40);
const WRITING_PACE: Duration = Duration::from_millis(60);
const AFTER_FAILURE: Duration = Duration::from_millis(200);
