//! The example `gms` as a program: started in a folder of its own, asked over a socket, ended.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    error::Error,
    ffi::OsStr,
    path::{Path, PathBuf},
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
    sync::OnceCell,
    time::timeout,
};

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
                return Ok(Self { child, stderr, said, url });
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

/// The example's program, built as this test was: with the same features, cargo has little to do.
async fn program() -> &'static OsStr {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let build = async || {
        let mut features = vec!["axum", "graphql", "sqlite"];
        for (feature, is_on) in [
            ("aws-lc-rs", cfg!(feature = "aws-lc-rs")),
            ("rust-crypto", cfg!(feature = "rust-crypto")),
            ("rest", cfg!(feature = "rest")),
            ("tonic", cfg!(feature = "tonic")),
        ] {
            features.extend(is_on.then_some(feature));
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--example", "gms", "--message-format", "json", "--offline"]);
        cargo.args(["--no-default-features", "--features", &features.join(",")]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
        messages
            .filter(|message: &Value| message["target"]["name"] == "gms")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo says where the example is")
    };
    PROGRAM.get_or_init(build).await.as_os_str()
}

/// The program on any free port.
async fn command(data: &Path) -> Command {
    listening_on("127.0.0.1:0", data).await
}

/// The program, without whatever the environment has.
async fn listening_on(address: &str, data: &Path) -> Command {
    let mut command = Command::new(program().await);
    command.arg("--data").arg(data).args(["--listen", address]);
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
    }
    assert!(!data.exists());

    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let error = refused(&mut listening_on(&address, &data).await).await?;
    assert!(error.contains(&address), "{error}");
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
    for flag in ["--data", "--listen", "--allow-remote", "--new-token", "--version", KEY, SALT] {
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
