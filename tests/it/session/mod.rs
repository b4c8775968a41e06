//! Log-in, sessions in cookies, and log-out, with every store.

mod cookie;
mod flood;
mod log_in;
mod log_out;
mod passwords;
mod secrets;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Request, header};
use serde_json::json;
use tower::{Service, ServiceExt};
use tower_pat::{
    AuthenticateLayer, Authenticator,
    actor::{PasswordStore, User, UserKind},
    authenticate::ClientAddress,
    clock::{ManualClock, Timestamp},
    config::ConfigBuilder,
    session::{LogInService, LogOutService, Password, Sessions},
    store::{MemoryStore, Store},
};

use crate::support::{Answer, IntoAnswer, answer, config, request, user};

const GOOD: &str = "correct horse battery";
const WRONG: &str = "incorrect horse battery";
const HERE: &str = "192.0.2.1";
const URL: &str = "http://localhost:9002";

/// A service that alice can log in to, with bob, who has no password, and a service account.
struct Site<S> {
    store: S,
    clock: Arc<ManualClock>,
    sessions: Sessions,
    authenticator: Authenticator,
}

impl<S: Store + PasswordStore + Clone> Site<S> {
    async fn new(store: S) -> Self {
        Self::with(store, config(), URL).await
    }

    async fn with(store: S, config: ConfigBuilder, url: &str) -> Self {
        let config = config.build().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_000)));
        let url = url.parse().unwrap();
        let sessions = Sessions::new(&config, Arc::new(store.clone()), url).clock(clock.clone());
        let robot = User::new(user("robot")).kind(UserKind::ServiceAccount);
        store.add_user(&robot).await.unwrap();
        for name in ["alice", "bob"] {
            store.create_user(&user(name)).await.unwrap();
        }
        let alice = user("alice");
        sessions.set_password(&alice, &password(GOOD), &user("datahub")).await.unwrap();
        let authenticator = Authenticator::builder(config, store.clone())
            .clock(clock.clone())
            .chain_before(Arc::new(sessions.authenticator()))
            .build()
            .await
            .unwrap();
        Self { store, clock, sessions, authenticator }
    }

    fn layer(&self) -> AuthenticateLayer {
        AuthenticateLayer::new(self.authenticator.clone())
    }

    async fn try_log_in(&self, name: &str, password: &str, address: &str) -> Answer {
        self.send_log_in(credentials(name, password, address)).await
    }

    async fn send_log_in(&self, request: Request<String>) -> Answer {
        send(LogInService::new(self.sessions.clone()), request).await
    }

    /// The value of alice's cookie.
    async fn log_in(&self) -> String {
        let answer = self.try_log_in("alice", GOOD, HERE).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        cookie_of(&answer)
    }

    async fn log_out(&self, cookie: &str) -> Answer {
        self.send_log_out(Request::post("/logOut").header("cookie", cookie)).await
    }

    async fn send_log_out(&self, request: http::request::Builder) -> Answer {
        let service = LogOutService::new(self.sessions.clone());
        send(service, request.body(String::new()).unwrap()).await
    }

    /// What a service behind the layer answers to a GET with these headers.
    async fn get(&self, headers: &[(&'static str, &str)]) -> Answer {
        self.ask("GET", headers).await
    }

    async fn ask(&self, method: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = request();
        *request.method_mut() = method.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        answer(&self.layer(), request).await
    }

    /// Waits until a request with this cookie is answered so; at most a second, which is the bound.
    async fn becomes(&self, cookie: &str, status: u16) -> Answer {
        let poll = async {
            loop {
                let answer = self.get(&[("cookie", cookie)]).await;
                if answer.status == status {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), poll).await.expect("within the bound")
    }
}

async fn send<T>(service: T, request: Request<String>) -> Answer
where
    T: Service<Request<String>, Response: IntoAnswer, Error = std::convert::Infallible>,
{
    service.oneshot(request).await.unwrap().into_answer().await
}

fn password(text: &str) -> Password {
    Password::from(text.to_owned())
}

fn post(body: &str, address: &str) -> Request<String> {
    let mut request = Request::post("/logIn")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_owned())
        .unwrap();
    request.extensions_mut().insert(client(address));
    request
}

fn credentials(name: &str, password: &str, address: &str) -> Request<String> {
    post(&json!({ "username": name, "password": password }).to_string(), address)
}

fn client(address: &str) -> ClientAddress {
    ClientAddress(address.parse::<IpAddr>().unwrap())
}

fn set_cookie(answer: &Answer) -> &str {
    answer.headers[header::SET_COOKIE].to_str().unwrap()
}

/// Name and value of the cookie that an answer sets, as they are sent back.
fn cookie_of(answer: &Answer) -> String {
    set_cookie(answer).split(';').next().unwrap().to_owned()
}

macro_rules! for_each_case {
    ($($store:ident, $new:expr;)*) => {
        $(for_each_case! {
            @ $store, $new;
            log_in {
                a_good_password_gives_a_session_in_a_cookie
                whatever_is_wrong_is_answered_alike
                who_fails_too_often_waits_and_nobody_else
                many_at_once_are_no_more_than_many_in_a_row
                an_earlier_session_ends_with_a_new_one
            }
            cookie {
                a_session_is_good_for_its_time_and_its_user
                a_session_is_no_bearer_token_and_a_token_no_session
                two_kinds_of_credentials_are_refused
                what_another_origin_sends_changes_nothing
            }
            log_out {
                logging_out_ends_the_session
                logging_out_twice_or_without_session_is_no_error
                only_a_session_is_ended
                all_sessions_in_a_request_are_ended
                a_session_of_a_key_that_is_not_here_is_not_said_to_be_ended
                another_origin_logs_nobody_out
            }
            passwords {
                a_new_password_ends_what_the_old_one_began
                what_may_not_be_a_password_is_refused
                nobody_but_people_gets_a_password
            }
        })*
    };
    (@ $store:ident, $new:expr; $($module:ident { $($case:ident)* })*) => {
        mod $store {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let directory = tempfile::tempdir().unwrap();
                    let store = ($new)(directory.path().to_owned()).await;
                    super::$module::$case(&Site::new(store).await).await;
                }
            )*)*
        }
    };
}

for_each_case! {
    memory, async |_: std::path::PathBuf| MemoryStore::default();
}

#[cfg(feature = "sqlite")]
for_each_case! {
    sqlite, async |path: std::path::PathBuf| {
        tower_pat::store::SqliteStore::open(path.join("store.db")).await.unwrap()
    };
}
