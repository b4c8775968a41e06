//! A PostgreSQL server for tests, and databases on it. Included by `#[path]`, in more than one test.
//!
//! The server is the one at `TOWER_PAT_TEST_DATABASE_URL`, whose user may create databases; or else a
//! private one, started once in a process, which ends with the process.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A server that tests share.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("TOWER_PAT_TEST_DATABASE_URL") {
        Ok(url) if !url.is_empty() => Server { url, script: None },
        // Also for what waits until the disk has it: that takes as long with `fsync` as without.
        _ => Server::start(&[]),
    })
}

/// A server. A private one ends when this is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    script: Option<Mutex<Script>>,
}

#[derive(Debug)]
struct Script {
    child: Child,
    // The script ends when this does; also if the process is killed.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a private server, with what `tests/postgres.sh` takes: `--durable`, and settings of the
    /// server as `name=value`.
    ///
    /// It blocks for a second or two.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        // That of the socket, which is in a folder of its own.
        Self::start_at(5432, arguments)
    }

    /// The same with a port, where it listens at the `listen_addresses` that are among the arguments.
    pub(crate) fn start_at(port: u16, arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres.sh");
        let mut child = Command::new("bash")
            .arg(script)
            .args(arguments)
            .env("PGPORT", port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{script} cannot be run: {error}"));
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut script = Script { child, commands, answers };
        let url = script.answer().unwrap_or_else(|| {
            panic!(
                "no PostgreSQL server for tests. It is in Debian's package postgresql; or set \
                 TOWER_PAT_TEST_DATABASE_URL to that of a server where databases can be created"
            )
        });
        Self { url, script: Some(Mutex::new(script)) }
    }

    /// The URL of the database `postgres`, or of the one that was given.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a database of this server.
    pub(crate) fn url_of(&self, database: &str) -> String {
        with_database(&self.url, database)
    }

    /// Freezes every process of the server (SIGSTOP).
    pub(crate) fn stop(&self) {
        self.command("stop");
    }

    /// Lets them go on.
    pub(crate) fn go_on(&self) {
        self.command("continue");
    }

    /// Ends every process of the server at once (SIGKILL).
    pub(crate) fn kill(&self) {
        self.command("kill");
    }

    /// Starts the server again after [`kill`](Self::kill), on the same data.
    pub(crate) fn start_again(&self) {
        self.command("start");
    }

    /// Ends the server in order (SIGINT, "fast shutdown"), and starts it again.
    pub(crate) fn restart(&self) {
        self.command("restart");
    }

    /// Whether the server is private to this process, and can be stopped.
    pub(crate) fn is_private(&self) -> bool {
        self.script.is_some()
    }

    fn command(&self, command: &str) {
        let script = self.script.as_ref().expect("a server that is not ours is left alone");
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = script.commands.as_mut().unwrap();
        writeln!(commands, "{command}").unwrap();
        commands.flush().unwrap();
        let answer = script.answer();
        assert_eq!(answer.as_deref(), Some("ok"), "{command}");
    }
}

impl Script {
    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line).unwrap();
        (length > 0).then(|| line.trim_end().to_owned())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

/// An empty database of its own, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// An empty one on the shared server.
    pub(crate) async fn new() -> Self {
        Self::on(server()).await
    }

    /// An empty one on `server`.
    pub(crate) async fn on(server: &Server) -> Self {
        // Not from `template1`, which may be in use just then.
        Self::copy(server, "template0").await
    }

    /// A copy of another on the shared server, to which nobody may be connected.
    pub(crate) async fn from_template(template: &str) -> Self {
        Self::copy(server(), template).await
    }

    async fn copy(server: &Server, template: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("tower_pat_test_{}_{time}_{number}", std::process::id());
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        execute(server.url(), &sql).await.unwrap();
        Self { server: server.url().to_owned(), name }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A connection to it.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs statements in it.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        execute(&self.url(), sql).await
    }

    /// Ends every connection to it but the one that asks, and returns how many there were.
    pub(crate) async fn disconnect_all(&self) -> i64 {
        self.disconnect("true").await
    }

    /// Ends every connection to it for which the condition over `pg_stat_activity` holds, and returns
    /// how many there were.
    pub(crate) async fn disconnect(&self, condition: &str) -> i64 {
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{}' AND pid <> pg_backend_pid() AND ({condition})",
            self.name
        );
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let ended = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await;
        connection.close().await.unwrap();
        ended.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        // In a runtime of its own, since this may be dropped in one that ends.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Where the server is gone already, so is the database.
            let _ = runtime.unwrap().block_on(execute(&server, &sql));
        });
        let _ = dropping.join();
    }
}

/// Runs statements on a connection of their own.
pub(crate) async fn execute(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    connection.close().await?;
    result.map(|_| ())
}

/// The same URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").expect("a URL");
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    let question = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{host}/{database}{question}{query}")
}
