//! One node: the example `gms` as a process, and what can be asked of it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::{Duration, Instant},
};

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{BoxError, TestResult, program::program};

/// A node that runs, or did.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    folder: PathBuf,
    database: String,
    secrets: Secrets,
    client: Client<HttpConnector, Full<Bytes>>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    url: String,
}

/// What all nodes have in common.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    pub(crate) key: String,
    pub(crate) salt: String,
    /// What else the environment has.
    pub(crate) more: Vec<(&'static str, String)>,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The token was accepted.
    Accepted,
    /// The token was not: 401 or 403, with the code.
    Refused(u16, String),
    /// 503, which says when to come again.
    Unavailable,
    /// There is no node, or it ended.
    NoNode,
    /// Anything else, which is always wrong.
    Odd(String),
}

impl Node {
    pub(crate) fn new(folder: &Path, name: &str, database: String, secrets: &Secrets) -> Self {
        Self {
            name: name.to_owned(),
            folder: folder.join(name),
            database,
            secrets: secrets.clone(),
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(64).build_http(),
            running: Mutex::default(),
        }
    }

    /// Starts it, and returns what it showed until it listened.
    pub(crate) async fn start(&self) -> Result<Vec<String>, BoxError> {
        fs::create_dir_all(&self.folder)?;
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut child = Command::new(program().await)
            .arg("--data")
            .arg(self.folder.join("data"))
            .args(["--listen", "127.0.0.1:0", "--front-door", "none"])
            .args(["--database", &self.database])
            .env("DATAHUB_TOKEN_SERVICE_SIGNING_KEY", &self.secrets.key)
            .env("DATAHUB_TOKEN_SERVICE_SALT", &self.secrets.salt)
            .envs(self.secrets.more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while let Some(line) = timeout(PATIENCE, lines.next_line()).await?? {
            if let Some(url) = line.strip_prefix("listening on ") {
                let url = url.to_owned();
                *self.running.lock().unwrap() = Some(Running { child, url });
                return Ok(said);
            }
            said.push(line);
        }
        Err(format!("{} did not start:\n{}", self.name, self.log()).into())
    }

    /// Ends it at once (SIGKILL).
    pub(crate) async fn kill(&self) {
        let running = self.running.lock().unwrap().take();
        let mut child = running.expect("it runs").child;
        child.kill().await.unwrap();
    }

    /// Ends it as a service manager does.
    pub(crate) async fn terminate(&self) -> TestResult {
        let running = self.running.lock().unwrap().take();
        let Some(Running { mut child, .. }) = running else { return Ok(()) };
        let id = child.id().expect("it runs").to_string();
        // The shell's own `kill`, since not every system has the program.
        assert!(Command::new("sh").args(["-c", "kill \"$0\"", &id]).status().await?.success());
        let status = timeout(PATIENCE, child.wait()).await??;
        let whole = fs::read_to_string(self.log_path())?;
        let is_good = status.success() && !whole.contains("panicked");
        assert!(is_good, "{}: {}", self.name, self.log());
        Ok(())
    }

    /// What it logged besides requests.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> =
            log.lines().filter(|line| !line.contains("tower_http::trace")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Whether the token is accepted. What is asked for is not there, so this is about the token alone:
    /// no handler asks the store anything.
    pub(crate) async fn ask(&self, token: &str) -> Answer {
        self.answer(Method::GET, "/nothing", token, None, StatusCode::NOT_FOUND).await.0
    }

    /// A new token, which acts as `actor`: its text and its id.
    pub(crate) async fn mint(
        &self,
        token: &str,
        actor: &str,
        name: &str,
    ) -> Result<(String, String), Answer> {
        let body = json!({ "name": name, "duration": "ONE_DAY",
                           "actorUrn": format!("urn:li:corpuser:{actor}") });
        let answer =
            self.answer(Method::POST, "/pat/tokens", token, Some(&body), StatusCode::CREATED);
        match answer.await {
            (Answer::Accepted, body) => {
                let text = body["accessToken"].as_str().expect("a token").to_owned();
                Ok((text, body["token"]["id"].as_str().expect("an id").to_owned()))
            }
            (answer, _) => Err(answer),
        }
    }

    /// Revokes a token.
    pub(crate) async fn revoke(&self, token: &str, id: &str) -> Answer {
        let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let path = format!("/pat/tokens/{id}");
        self.answer(Method::DELETE, &path, token, None, StatusCode::NO_CONTENT).await.0
    }

    /// Which keys there are, as JSON.
    pub(crate) async fn keys(&self, token: &str) -> Result<Vec<Value>, Answer> {
        let answer = self.answer(Method::GET, "/pat/keys", token, None, StatusCode::OK).await;
        match answer {
            (Answer::Accepted, body) => Ok(body["keys"].as_array().expect("keys").clone()),
            (answer, _) => Err(answer),
        }
    }

    /// Does this to a key: `promote` or `retire`.
    pub(crate) async fn change_key(&self, token: &str, id: &str, change: &str) -> Answer {
        let path = format!("/pat/keys/{id}/{change}");
        self.answer(Method::POST, &path, token, None, StatusCode::NO_CONTENT).await.0
    }

    /// Writes to an entity, for which 200 is the answer.
    pub(crate) async fn write(&self, token: &str, entity_type: &str, body: &Value) -> Answer {
        let path = format!("/openapi/v3/entity/{entity_type}");
        self.answer(Method::POST, &path, token, Some(body), StatusCode::OK).await.0
    }

    /// Deletes an entity.
    pub(crate) async fn delete(&self, token: &str, entity_type: &str, urn: &str) -> Answer {
        let path = format!("/openapi/v3/entity/{entity_type}/{urn}");
        self.answer(Method::DELETE, &path, token, None, StatusCode::OK).await.0
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
        good: StatusCode,
    ) -> (Answer, Value) {
        let url = self.running.lock().unwrap().as_ref().map(|running| running.url.clone());
        let Some(url) = url else { return (Answer::NoNode, Value::Null) };
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{url}{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .unwrap();
        let answered = timeout(PATIENCE, async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            Ok::<_, BoxError>((head, body.collect().await?.to_bytes()))
        });
        let (head, body) = match answered.await {
            Err(_) => return (Answer::Odd(format!("no answer in {PATIENCE:?}")), Value::Null),
            Ok(Err(_)) => return (Answer::NoNode, Value::Null),
            Ok(Ok(answered)) => answered,
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let status = head.status;
        let answer = match status {
            status if status == good => Answer::Accepted,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let code = body["code"].as_str().unwrap_or_default().to_owned();
                Answer::Refused(status.as_u16(), code)
            }
            StatusCode::SERVICE_UNAVAILABLE if head.headers.contains_key(header::RETRY_AFTER) => {
                Answer::Unavailable
            }
            status => Answer::Odd(format!("{} {body}", status.as_u16())),
        };
        (answer, body)
    }

    /// How long it takes until the token is accepted, or is not any more.
    pub(crate) async fn until(
        &self,
        token: &str,
        accepted: bool,
        limit: Duration,
    ) -> Result<Duration, BoxError> {
        let begun = Instant::now();
        loop {
            let answer = self.ask(token).await;
            if answer == Answer::Accepted && accepted
                || matches!(answer, Answer::Refused(..)) && !accepted
            {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > limit {
                let log = self.log();
                return Err(format!("{} still answers {answer:?}:\n{log}", self.name).into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// How long anything may take at most.
const PATIENCE: Duration = Duration::from_secs(20);
