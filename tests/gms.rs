//! The example `gms` as a program: started in a folder of its own, asked over a socket, ended.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "common/program.rs"]
mod program;

use std::{
    error::Error,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use self::program::program;

type TestResult = Result<(), Box<dyn Error>>;

const KEY: &str = "DATAHUB_TOKEN_SERVICE_SIGNING_KEY";
const SALT: &str = "DATAHUB_TOKEN_SERVICE_SALT";
const ROOT: &str = "/entities/urn:li:corpuser:datahub";
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service, which ends with this.
struct Gms {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it said until it listened.
    said: Vec<String>,
    url: String,
    /// The URL of its front door, if it has one.
    front: Option<String>,
}

impl Gms {
    async fn start(data: &Path, more: &[&str]) -> Result<Self, Box<dyn Error>> {
        Self::start_with(command(data).await.args(more)).await
    }

    async fn start_with(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = Vec::new();
        while let Some(line) = timeout(PATIENCE, stdout.next_line()).await?? {
            if let Some(url) = line.strip_prefix("listening on ") {
                let url = url.to_owned();
                let front = after(&said, "front door on ");
                return Ok(Self { child, stderr, said, url, front });
            }
            said.push(line);
        }
        let mut errors = String::new();
        stderr.read_to_string(&mut errors).await?;
        Err(format!("it did not start: {errors}").into())
    }

    fn token(&self) -> Option<&str> {
        let mut tokens = self.said.iter().filter_map(|line| line.strip_prefix("token: "));
        let token = tokens.next();
        assert_eq!(tokens.next(), None);
        token
    }

    /// The password that it showed for the root user, because it started for the first time.
    fn password(&self) -> Option<String> {
        after(&self.said, "password: ")
    }

    /// The cookie by which a user is logged in; the status of the refusal if they are not.
    async fn log_in(
        &self,
        user: &str,
        password: &str,
    ) -> Result<Result<String, u16>, Box<dyn Error>> {
        let body = json!({ "username": user, "password": password }).to_string();
        let uri = format!("{}/logIn", self.front.as_deref().unwrap());
        let request = Request::post(uri).header("content-type", "application/json");
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let response = timeout(PATIENCE, client.request(request.body(body.into())?)).await??;
        if response.status() != StatusCode::OK {
            return Ok(Err(response.status().as_u16()));
        }
        let cookie = response.headers()["set-cookie"].to_str()?;
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        Ok(Ok(cookie.split(';').next().unwrap().to_owned()))
    }

    /// The status of a request at the front door by somebody who is logged in.
    async fn front_status(&self, path: &str, cookie: &str) -> Result<u16, Box<dyn Error>> {
        let uri = format!("{}{path}", self.front.as_deref().unwrap());
        let request = Request::get(uri).header("cookie", cookie).body(Full::default())?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        Ok(timeout(PATIENCE, client.request(request)).await??.status().as_u16())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<(StatusCode, Value), Box<dyn Error>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let response = timeout(PATIENCE, client.request(request.body(body.into())?)).await??;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Result<(u16, Value), Box<dyn Error>> {
        let (status, body) = self.send(Method::GET, path, token, &Value::Null).await?;
        Ok((status.as_u16(), body))
    }

    /// Ends it as a service manager does, and returns what it logged.
    async fn stop(mut self) -> Result<String, Box<dyn Error>> {
        let id = self.child.id().unwrap().to_string();
        // The shell's own `kill`, since not every system has the program.
        assert!(Command::new("sh").args(["-c", "kill \"$0\"", &id]).status().await?.success());
        let mut logged = String::new();
        timeout(PATIENCE, self.stderr.read_to_string(&mut logged)).await??;
        assert!(timeout(PATIENCE, self.child.wait()).await??.success(), "{logged}");
        Ok(logged)
    }
}

/// What stands behind this at the beginning of a line, of which there is one at most.
fn after(said: &[String], start: &str) -> Option<String> {
    let mut found = said.iter().filter_map(|line| line.strip_prefix(start));
    let first = found.next().map(str::to_owned);
    assert_eq!(found.next(), None);
    first
}

/// The program on any free port.
async fn command(data: &Path) -> Command {
    listening_on("127.0.0.1:0", data).await
}

/// The program, without whatever the environment has; its front door on any free port.
async fn listening_on(address: &str, data: &Path) -> Command {
    let mut command = with_front_door("127.0.0.1:0", data).await;
    command.args(["--listen", address]);
    command
}

/// The program with its front door there.
async fn with_front_door(address: &str, data: &Path) -> Command {
    let mut command = Command::new(program().await);
    command.arg("--data").arg(data).args(["--front-door", address]);
    command.env_remove(KEY).env_remove(SALT);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the program, which is to refuse and say why in one line.
async fn refused(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let Output { status, stdout, stderr } = timeout(PATIENCE, command.output()).await??;
    let stderr = String::from_utf8(stderr)?;
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("gms: ")).collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(stderr.ends_with(&format!("{}\n", lines[0])), "{stderr}");
    Ok(lines[0].to_owned())
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).unwrap();
}

#[tokio::test]
async fn the_first_start_makes_everything_and_the_next_keeps_it() -> TestResult {
    let folder = TempDir::new()?;
    let data = folder.path().join("deep/data");
    let gms = Gms::start(&data, &[]).await?;
    let token = gms.token().expect("the first start shows a token").to_owned();
    assert!(gms.said.iter().any(|line| line.starts_with("curl http://127.0.0.1:")));

    let (status, body) = gms.get(ROOT, Some(&token)).await?;
    assert_eq!(status, 200);
    let snapshot = &body["value"]["com.linkedin.metadata.snapshot.CorpUserSnapshot"];
    assert_eq!(snapshot["urn"], "urn:li:corpuser:datahub");
    let key = &snapshot["aspects"][0]["com.linkedin.metadata.key.CorpUserKey"];
    assert_eq!(key["username"], "datahub");
    let (status, body) = gms.get(ROOT, None).await?;
    assert_eq!((status, &body["code"]), (401, &json!("missing_token")));
    for path in ["/health", "/config"] {
        assert_eq!(gms.get(path, None).await?.0, 200, "{path}");
        assert_eq!(gms.get(path, Some("bad")).await?.0, 200, "{path}");
    }
    let tag =
        json!([{ "urn": "urn:li:tag:gold", "tagProperties": { "value": { "name": "gold" } } }]);
    let tags = "/openapi/v3/entity/tag";
    assert_eq!(gms.send(Method::POST, tags, Some(&token), &tag).await?.0, 200);
    assert_eq!(gms.send(Method::POST, tags, None, &tag).await?.0, 401);

    assert_eq!(mode(&data), 0o700);
    for entry in std::fs::read_dir(&data)? {
        let path = entry?.path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let secrets = std::fs::read_to_string(data.join("secrets.env"))?;
    let logged = gms.stop().await?;

    let gms = Gms::start(&data, &[]).await?;
    assert_eq!(gms.token(), None);
    assert_eq!(gms.get(ROOT, Some(&token)).await?.0, 200);
    let gold = format!("{tags}/urn:li:tag:gold/tagProperties");
    assert_eq!(gms.get(&gold, Some(&token)).await?.1, json!({ "value": { "name": "gold" } }));
    let logged = logged + &gms.stop().await?;
    assert!(logged.contains("--new-token"));
    assert_eq!(std::fs::read_to_string(data.join("secrets.env"))?, secrets);
    for secret in secrets.lines().filter_map(|line| line.split_once('=')) {
        assert!(!logged.contains(secret.1));
    }
    assert!(!logged.contains(&token));
    Ok(())
}

#[tokio::test]
async fn the_root_user_logs_in_by_the_password_that_is_shown_once() -> TestResult {
    let folder = TempDir::new()?;
    let gms = Gms::start(folder.path(), &[]).await?;
    let first = gms.password().expect("the first start shows a password");
    assert!(first.len() >= 24, "{}", first.len());
    let session = gms.log_in("datahub", &first).await?.unwrap();
    let path = "/api/gms/entities/urn:li:corpuser:datahub";
    assert_eq!(gms.front_status(path, &session).await?, 200);
    assert_eq!(gms.front_status(path, "tower_pat_session=a.b.c").await?, 401);
    // No default password exists, not even DataHub's.
    for wrong in ["datahub", "", "admin"] {
        assert_eq!(gms.log_in("datahub", wrong).await?, Err(400));
    }
    assert_eq!(gms.log_in("nobody", &first).await?, Err(400));
    let create = json!([{ "urn": "urn:li:corpuser:alice",
                          "corpUserInfo": { "value": { "active": true } } }]);
    let (status, body) =
        gms.send(Method::POST, "/openapi/v3/entity/corpuser", gms.token(), &create).await?;
    assert_eq!(status, 200, "{body}");
    let mut logged = gms.stop().await?;

    // A session lasts longer than the process, and a password is shown once.
    let gms = Gms::start(folder.path(), &[]).await?;
    assert_eq!(gms.password(), None);
    assert_eq!(gms.front_status(path, &session).await?, 200);
    logged += &gms.stop().await?;

    let more = ["--new-password", "datahub", "--new-password", "alice"];
    let gms = Gms::start(folder.path(), &more).await?;
    assert_eq!(gms.password(), None);
    let second = after(&gms.said, "password of datahub: ").unwrap();
    let alices = after(&gms.said, "password of alice: ").unwrap();
    assert_eq!(gms.front_status(path, &session).await?, 401);
    assert_eq!(gms.log_in("datahub", &first).await?, Err(400));
    assert!(gms.log_in("datahub", &second).await?.is_ok());
    assert!(gms.log_in("alice", &alices).await?.is_ok());
    logged += &gms.stop().await?;
    for secret in [&first, &second, &alices, session.split_once('=').unwrap().1] {
        assert!(!logged.contains(secret), "a secret is in the log");
    }

    let mut unknown = command(folder.path()).await;
    let error = refused(unknown.args(["--new-password", "nobody"])).await?;
    assert!(error.contains("no user urn:li:corpuser:nobody"), "{error}");
    let mut service = command(folder.path()).await;
    let error = refused(service.args(["--new-password", "(bad"])).await?;
    assert!(error.contains("parenthes"), "{error}");
    Ok(())
}

/// The lines that the first start shows, in a shell, by curl.
#[tokio::test]
async fn the_lines_to_try_work_as_they_are_printed() -> TestResult {
    let folder = TempDir::new()?;
    let gms = Gms::start(folder.path(), &[]).await?;
    let begin = gms.said.iter().position(|line| line.starts_with("curl ")).unwrap();
    let lines: Vec<&str> = gms.said[begin..]
        .iter()
        .map(String::as_str)
        .take_while(|line| !line.starts_with("To log in"))
        .collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("curl ")).count(), 7, "{lines:?}");
    // Each says its status and nothing else.
    let quiet = "curl() { command curl -s -o \"$OUT\" -w '%{http_code}\\n' \"$@\"; }";
    let output = Command::new("sh")
        .args(["-ec", &format!("{quiet}\n{}", lines.join("\n"))])
        .env("TOKEN", gms.token().unwrap())
        .env("OUT", folder.path().join("answer"))
        .output()
        .await?;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().collect::<Vec<_>>(), ["200", "401", "200", "200", "200", "200", "200"]);

    // As DataHub's documentation has it.
    for base in [format!("{}/api/gms", gms.front.as_deref().unwrap()), gms.url.clone()] {
        let line = format!(
            "curl -sf '{base}/entities/urn:li:corpuser:datahub' -H 'Authorization: Bearer {}'",
            gms.token().unwrap()
        );
        let output = Command::new("sh").args(["-c", &line]).output().await?;
        let body: Value = serde_json::from_slice(&output.stdout)?;
        let snapshot = &body["value"]["com.linkedin.metadata.snapshot.CorpUserSnapshot"];
        assert_eq!(snapshot["urn"], "urn:li:corpuser:datahub");
    }
    gms.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_front_door_can_be_elsewhere_or_nowhere() -> TestResult {
    let folder = TempDir::new()?;
    let mut none = with_front_door("none", folder.path()).await;
    let gms = Gms::start_with(none.args(["--listen", "127.0.0.1:0"])).await?;
    assert_eq!(gms.front, None);
    let shown = gms.said.join("\n");
    assert!(!shown.contains("/api/gms") && gms.password().is_some(), "{shown}");
    gms.stop().await?;

    let mut command = command(folder.path()).await;
    let gms = Gms::start_with(command.args(["--public-url", "https://data.example"])).await?;
    assert_eq!(gms.front.as_deref(), Some("https://data.example"));
    gms.stop().await?;

    let mut command = listening_on("127.0.0.1:0", folder.path()).await;
    for bad in ["http://data.example", "data.example", "https://data.example/x", ""] {
        let output = command.args(["--public-url", bad]).output().await?;
        assert_eq!(output.status.code(), Some(2), "{bad}");
        command = listening_on("127.0.0.1:0", folder.path()).await;
    }
    Ok(())
}

#[tokio::test]
async fn whoever_has_the_folder_gets_a_new_token_and_the_root_user_back() -> TestResult {
    let folder = TempDir::new()?;
    let gms = Gms::start(folder.path(), &[]).await?;
    let first = gms.token().unwrap().to_owned();
    let path = "/openapi/v3/entity/corpuser/urn:li:corpuser:datahub/corpUserStatus";
    let suspended = json!({ "value": { "status": "SUSPENDED" } });
    assert_eq!(gms.send(Method::POST, path, Some(&first), &suspended).await?.0, 200);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    while gms.get(ROOT, Some(&first)).await?.0 != 401 {
        assert!(tokio::time::Instant::now() < deadline, "the token works for too long");
    }
    gms.stop().await?;

    let gms = Gms::start(folder.path(), &["--new-token"]).await?;
    let second = gms.token().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(gms.get(ROOT, Some(&second)).await?.0, 200);
    assert_eq!(gms.get(ROOT, Some(&first)).await?.0, 200);
    // The folder belongs to one at a time.
    let error = refused(&mut command(folder.path()).await).await?;
    assert!(error.contains("in use"), "{error}");
    gms.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_start_that_died_is_followed_by_a_first_start() -> TestResult {
    let folder = TempDir::new()?;
    // As if one had died while it wrote the secrets, and the next before its last step.
    std::fs::write(folder.path().join("secrets.new"), "half")?;
    let mut gms = Gms::start(folder.path(), &[]).await?;
    gms.child.kill().await?;
    let file = folder.path().join("tower-pat.db");
    let mut database = sqlite(&file).await?;
    sqlx::query("DELETE FROM policies").execute(&mut database).await?;
    database.close().await?;
    let gms = Gms::start(folder.path(), &[]).await?;
    let token = gms.token().expect("it is the first start again").to_owned();
    assert_eq!(gms.get(ROOT, Some(&token)).await?.0, 200);
    gms.stop().await?;
    Ok(())
}

#[tokio::test]
async fn what_was_over_for_long_is_deleted() -> TestResult {
    let folder = TempDir::new()?;
    Gms::start(folder.path(), &[]).await?.stop().await?;
    let mut connection = sqlite(&folder.path().join("tower-pat.db")).await?;
    sqlx::query(
        "INSERT INTO tokens (id, name, owner, actor, created_at, expires_at, token_type)
             VALUES (randomblob(32), 'old', 'urn:li:corpuser:datahub', 'urn:li:corpuser:datahub',
                 1, 2, 'SESSION')",
    )
    .execute(&mut connection)
    .await?;
    let gms = Gms::start(folder.path(), &[]).await?;
    let mut left = 1;
    for _ in 0..1_000 {
        let count = sqlx::query_scalar("SELECT count(*) FROM tokens WHERE name = 'old'");
        left = count.fetch_one(&mut connection).await?;
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left, 0);
    gms.stop().await?;
    Ok(())
}

async fn sqlite(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await
}

#[tokio::test]
async fn key_and_salt_of_the_environment_go_before_those_of_the_folder() -> TestResult {
    let folder = TempDir::new()?;
    let secrets = folder.path().join("secrets.env");
    let (key, salt) = ("q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=", "mR4vT8yB2nK6pX0cQ9wE3z");
    let with = async |variables: &[(&str, &str)]| {
        let mut command = command(folder.path()).await;
        command.envs(variables.iter().copied());
        command
    };
    let gms = Gms::start_with(&mut with(&[(KEY, key), (SALT, salt)]).await).await?;
    let token = gms.token().unwrap().to_owned();
    assert!(!secrets.exists());
    gms.stop().await?;

    // Without them, there is nothing by which the tokens in the store could be verified.
    let error = refused(&mut with(&[]).await).await?;
    assert!(error.contains("secrets.env") && error.contains("--new-token"), "{error}");
    assert!(!secrets.exists());

    // The salt is made, as it is set nowhere; the token was stored under the other one.
    let gms = Gms::start_with(with(&[(KEY, key), (SALT, " ")]).await.arg("--new-token")).await?;
    assert_eq!(gms.get(ROOT, Some(&token)).await?.0, 401);
    let logged = gms.stop().await?;
    assert!(logged.contains(&format!("{KEY} is taken from the environment")), "{logged}");
    assert!(logged.contains(&format!("{SALT} is taken from {}", secrets.display())), "{logged}");

    let gms = Gms::start_with(&mut with(&[(KEY, key), (SALT, salt)]).await).await?;
    assert_eq!(gms.get(ROOT, Some(&token)).await?.0, 200);
    gms.stop().await?;

    for weak in ["short", &"k".repeat(64)] {
        let error = refused(&mut with(&[(KEY, weak), (SALT, salt)]).await).await?;
        assert!(error.contains("signing key") && !error.contains(weak), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_unsafe_or_impossible_is_refused_in_one_line() -> TestResult {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let error = refused(&mut listening_on(address, &data).await).await?;
        assert!(error.contains("--allow-remote"), "{error}");
        let mut front = with_front_door(address, &data).await;
        let error = refused(front.args(["--listen", "127.0.0.1:0"])).await?;
        assert!(error.contains("--allow-remote"), "{error}");
    }
    assert!(!data.exists());

    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let error = refused(&mut listening_on(&address, &data).await).await?;
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
    let mut front = with_front_door(&address, &data).await;
    let error = refused(front.args(["--listen", "127.0.0.1:0"])).await?;
    assert!(error.contains(&address) && error.contains("--front-door"), "{error}");
    assert!(!data.exists());

    let file = folder.path().join("file");
    std::fs::write(&file, "")?;
    let error = refused(&mut command(&file.join("data")).await).await?;
    assert!(error.contains("cannot create"), "{error}");

    std::fs::create_dir(&data)?;
    let secrets = data.join("secrets.env");
    std::fs::write(&secrets, format!("{KEY}=x\n"))?;
    set_mode(&secrets, 0o640);
    let error = refused(&mut command(&data).await).await?;
    assert!(error.contains("chmod 600"), "{error}");
    set_mode(&secrets, 0o600);
    set_mode(&data, 0o777);
    let error = refused(&mut command(&data).await).await?;
    assert!(error.contains("chmod go-w"), "{error}");
    set_mode(&data, 0o700);
    let error = refused(&mut command(&data).await).await?;
    assert!(error.contains(&format!("has no {SALT}")), "{error}");

    std::fs::remove_file(&secrets)?;
    std::fs::write(
        data.join("entities.db"),
        "this is no database, but a text that is long enough",
    )?;
    let error = refused(&mut command(&data).await).await?;
    assert!(error.contains("cannot open") && error.contains("entities.db"), "{error}");
    Ok(())
}

#[tokio::test]
async fn beyond_loopback_it_listens_only_where_that_is_said() -> TestResult {
    let folder = TempDir::new()?;
    let mut command = listening_on("0.0.0.0:0", folder.path()).await;
    let gms = Gms::start_with(command.arg("--allow-remote")).await?;
    assert!(gms.url.starts_with("http://0.0.0.0:"));
    gms.stop().await?;
    Ok(())
}

#[tokio::test]
async fn help_names_all_flags() -> TestResult {
    let output = Command::new(program().await).arg("--help").output().await?;
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout)?;
    for flag in [
        "--data",
        "--listen",
        "--front-door",
        "--public-url",
        "--trusted-proxy",
        "--allow-remote",
        "--new-token",
        "--new-password",
        "--version",
        KEY,
        SALT,
    ] {
        assert!(help.contains(flag), "{help}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_client_sends_is_served_over_a_socket() -> TestResult {
    let folder = TempDir::new()?;
    let gms = Gms::start(folder.path(), &[]).await?;
    let token = gms.token().map(str::to_owned);
    let token = token.as_deref();
    assert_eq!(gms.get("//config", None).await?.1["noCode"], "true");
    let value = json!({ "name": "gold" }).to_string();
    let proposal = json!({ "proposal": {
        "entityType": "tag", "entityUrn": "urn:li:tag:a/b", "changeType": "UPSERT",
        "aspectName": "tagProperties",
        "aspect": { "value": value, "contentType": "application/json" },
    } });
    let path = "/aspects/?action=ingestProposal";
    assert_eq!(gms.send(Method::POST, path, token, &proposal).await?.0, 200);
    let (status, body) = gms.send(Method::POST, path, Some("bad"), &proposal).await?;
    assert_eq!((status.as_u16(), body["status"].as_u64()), (401, Some(401)));
    let key = "/aspects/urn%3Ali%3Atag%3Aa%2Fb?aspect=tagKey&version=0";
    let record = json!({ "com.linkedin.metadata.key.TagKey": { "name": "a/b" } });
    assert_eq!(gms.get(key, token).await?, (200, json!({ "version": 0, "aspect": record })));
    let query = json!({ "query": "{ searchAcrossEntities(input: { query: \"gold\", types: [TAG] }) \
                                  { total searchResults { entity { urn } } } }" });
    let (status, body) = gms.send(Method::POST, "/api/graphql", token, &query).await?;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["searchAcrossEntities"]["total"], 1, "{body}");
    gms.stop().await?;
    Ok(())
}
