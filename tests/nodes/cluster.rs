//! A server, three nodes, and a proxy between each of them and the server.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::task::block_in_place;
use tower_pat::random::{OsRandom, secret};

use crate::{
    BoxError, TestResult,
    node::{Answer, Node, Secrets},
    postgres::{self, Server},
    proxy::{Network, Proxy},
};

/// The bound on revocations, which is the default.
pub(crate) const BOUND: Duration = Duration::from_secs(1);

/// Everything that a test needs, and nobody else's.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) proxies: Vec<Proxy>,
    /// A token of the root user.
    pub(crate) root: String,
    server: Server,
    _folder: TempDir,
}

impl Cluster {
    /// Three nodes that serve.
    pub(crate) async fn start() -> Result<Self, BoxError> {
        Self::start_with(Vec::new()).await
    }

    /// The same, with this in their environment.
    pub(crate) async fn start_with(more: Vec<(&'static str, String)>) -> Result<Self, BoxError> {
        let server = block_in_place(|| Server::start(&["--durable"]));
        // Nobody's superuser: there is a limit to the connections of those who are not.
        for sql in ["CREATE ROLE node LOGIN", "CREATE DATABASE tokens OWNER node"] {
            postgres::execute(server.url(), sql).await?;
        }
        let socket = socket(server.url());
        let folder = TempDir::new()?;
        let secrets = Secrets { key: secret(&OsRandom)?, salt: secret(&OsRandom)?, more };
        let (mut nodes, mut proxies) = (Vec::new(), Vec::new());
        for name in ["node1", "node2", "node3"] {
            let proxy = Proxy::start(&socket, &folder.path().join(format!("{name}.proxy")))?;
            let database = format!(
                "postgres://node@localhost/tokens?sslmode=disable&application_name={name}&host={}",
                proxy.folder().display()
            );
            nodes.push(Arc::new(Node::new(folder.path(), name, database, &secrets)));
            proxies.push(proxy);
        }
        // At once, on an empty database, of which one is the first.
        let said: Vec<String> = try_join_all(nodes.iter().map(|node| node.start())).await?.concat();
        let shown = |what: &str| -> Vec<_> {
            said.iter().filter_map(|line| line.strip_prefix(what)).map(str::to_owned).collect()
        };
        let tokens = shown("token: ");
        assert_eq!((tokens.len(), shown("password: ").len()), (1, 1), "shown by one node alone");
        let root = tokens[0].clone();
        for node in &nodes {
            let begun = Instant::now();
            while node.ask(&root).await != Answer::Accepted {
                assert!(begun.elapsed() < RESUMED, "{} does not know the token shown", node.name);
            }
        }
        Ok(Self { nodes, proxies, root, server, _folder: folder })
    }

    pub(crate) fn set_networks(&self, network: Network) {
        self.proxies.iter().for_each(|proxy| proxy.set(network));
    }

    /// Freezes every process of the server.
    pub(crate) fn freeze_server(&self) {
        block_in_place(|| self.server.stop());
    }

    /// Lets them go on.
    pub(crate) fn thaw_server(&self) {
        block_in_place(|| self.server.go_on());
    }

    /// Ends every process of the server at once.
    pub(crate) fn kill_server(&self) {
        block_in_place(|| self.server.kill());
    }

    /// Starts the server again after that.
    pub(crate) fn start_server(&self) {
        block_in_place(|| self.server.start_again());
    }

    /// Ends it in order, and starts it again.
    pub(crate) fn restart_server(&self) {
        block_in_place(|| self.server.restart());
    }

    /// The URL of the nodes' database, for a superuser and past the proxies.
    pub(crate) fn database(&self) -> String {
        self.server.url_of("tokens")
    }

    /// Waits until all nodes do everything again: accept a token, make one, and revoke it. Says how
    /// long that took.
    pub(crate) async fn serves_again(&self) -> Result<Duration, BoxError> {
        let begun = Instant::now();
        for node in &self.nodes {
            loop {
                let what = self.serves(node).await;
                let Err(answer) = what else { break };
                if begun.elapsed() > RESUMED {
                    let (name, log) = (&node.name, node.log());
                    return Err(format!("{name} does not serve again: {answer:?}\n{log}").into());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(begun.elapsed())
    }

    async fn serves(&self, node: &Node) -> Result<(), Answer> {
        let (text, id) = node.mint(&self.root, "datahub", "again").await?;
        for node in &self.nodes {
            let answer = node.ask(&text).await;
            if answer != Answer::Accepted {
                return Err(answer);
            }
        }
        match node.revoke(&self.root, &id).await {
            Answer::Accepted => Ok(()),
            answer => Err(answer),
        }
    }

    /// Ends the nodes in order.
    pub(crate) async fn stop(self) -> TestResult {
        for node in &self.nodes {
            node.terminate().await?;
        }
        Ok(())
    }
}

/// Where the server's socket is, which its URL says.
fn socket(url: &str) -> PathBuf {
    let (_, host) = url.split_once("host=").expect("a server on a socket");
    PathBuf::from(host).join(".s.PGSQL.5432")
}

/// How soon all nodes are to serve again after a fault.
const RESUMED: Duration = Duration::from_secs(15);
