//! What is passed on to a service elsewhere, over a socket, and what is not.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::Request as AxumRequest,
    http::{StatusCode as Status, header::SET_COOKIE},
    routing::{any, get, post},
};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tower::{Layer, Service, ServiceExt};
use tower_pat::{
    AuthenticateLayer, Authentication, Authenticator,
    actor::Actor,
    authenticate::{Attempt, ClientAddress, CredentialAuthenticator, RequestHead},
    front_door::{FrontDoor, Paths},
    token::{AccessTokenDuration, TokenText, TokenType},
    token_service::MintRequest,
};

use crate::support::{Answer, IntoAnswer, World, user};

/// A service that says what it was asked.
async fn behind() -> String {
    let app = Router::new()
        .route("/teapot", get(async || (Status::IM_A_TEAPOT, [(SET_COOKIE, "a=b")], "short")))
        .route("/bad", get(async || (Status::BAD_GATEWAY, "its own")))
        .route("/late", get(async || (Status::GATEWAY_TIMEOUT, "its own")))
        .route("/never", any(async || std::future::pending::<()>().await))
        .route("/echo", post(async |request: AxumRequest| request.into_body()))
        .fallback(said);
    serve(app).await
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

async fn said(request: AxumRequest) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8(value.as_bytes().to_vec()).unwrap()))
        .collect();
    headers.sort();
    Json(json!({
        "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": headers,
        "body": String::from_utf8(body.to_vec()).unwrap(),
    }))
}

/// A service that answers this, whatever it is asked, and ends the connection.
async fn raw(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    format!("http://{address}")
}

fn get_it(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

fn with(request: Request<String>, headers: &[(&str, &str)]) -> Request<String> {
    let mut request = request;
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

async fn answer(layer: &AuthenticateLayer, door: &FrontDoor, request: Request<String>) -> Answer {
    layer.layer(door.clone()).oneshot(request).await.unwrap().into_answer().await
}

/// Sends a request of somebody who is there, whoever that is.
async fn sent(door: &FrontDoor, request: Request<String>) -> Answer {
    let mut request = request;
    let somebody = Authentication::for_tests(Actor::new(user("alice")), []);
    request.extensions_mut().insert(somebody);
    door.clone().oneshot(request).await.unwrap().into_answer().await
}

/// The headers that the service behind was sent, but for the one that names its host.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> =
        serde_json::from_value(answer.json()["headers"].clone()).unwrap();
    headers.retain(|(name, _)| name != "host");
    headers
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_request_and_its_answer_are_passed_on() {
    let url = behind().await;
    let door = FrontDoor::new(&url).unwrap();
    let request = Request::post("/api/gms/aspects?action=ingestProposal&x=%2F")
        .header("content-type", "application/json")
        .header("host", "elsewhere:9002")
        .body("{}".to_owned())
        .unwrap();
    let answer = sent(&door, request).await;
    assert_eq!(answer.status, 200);
    let said = answer.json();
    assert_eq!(said["method"], "POST");
    assert_eq!(said["target"], "/aspects?action=ingestProposal&x=%2F");
    assert_eq!(said["body"], "{}");
    assert!(answer.body.contains(url.strip_prefix("http://").unwrap()), "{}", answer.body);
    assert_eq!(
        headers(&answer),
        [
            pair("content-length", "2"),
            pair("content-type", "application/json"),
            pair("x-datahub-actor", "urn:li:corpuser:alice"),
        ]
    );

    let answer = sent(&door, get_it("/api/gms/teapot")).await;
    assert_eq!((answer.status, answer.body.as_str()), (418, "short"));
    assert_eq!(answer.headers[SET_COOKIE], "a=b");
    let head = Request::head("/api/gms/teapot").body(String::new()).unwrap();
    let answer = sent(&door, head).await;
    assert_eq!((answer.status, answer.body.as_str()), (418, ""));
    assert_eq!(answer.headers[header::CONTENT_LENGTH], "5");
}

#[tokio::test]
async fn the_judged_header_is_passed_on_and_no_cookie() {
    let world = World::new().await;
    let door = FrontDoor::new(&behind().await).unwrap().session_cookie("session");
    let bearer = format!("Bearer {}", world.mint().await.token.expose());
    let request = with(
        get_it("/api/gms/x"),
        &[
            ("authorization", &bearer),
            ("cookie", "session=a.b.c; actor=urn:li:corpuser:root"),
            ("x-datahub-actor", "urn:li:corpuser:root"),
            ("X-Forwarded-User", "root"),
            ("remote_user", "root"),
            ("connection", "x-datahub-actor"),
            ("x-restli-protocol-version", "2.0.0"),
        ],
    );
    let answer = answer(&world.layer(), &door, request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        headers(&answer),
        [
            pair("authorization", &bearer),
            pair("x-datahub-actor", "urn:li:corpuser:alice"),
            pair("x-restli-protocol-version", "2.0.0"),
        ]
    );
}

/// Takes sessions from the cookie `session`, as the authenticator of the feature `session` does from
/// its own.
#[derive(Debug)]
struct FromCookie;

impl CredentialAuthenticator for FromCookie {
    fn attempt(&self, head: RequestHead<'_>) -> Attempt {
        let cookies = head.headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
        let mut cookies = cookies.unwrap_or_default().split("; ");
        match cookies.find_map(|cookie| cookie.strip_prefix("session=")) {
            Some(text) => Attempt::SessionToken(TokenText::new(text.to_owned())),
            None => Attempt::NotMine,
        }
    }
}

#[tokio::test]
async fn the_cookie_of_a_session_is_passed_on_and_no_other() {
    let world = World::new().await;
    let authenticator = Authenticator::builder(world.config.clone(), world.store.clone())
        .clock(world.clock.clone())
        .chain_before(Arc::new(FromCookie))
        .build()
        .await
        .unwrap();
    let layer = AuthenticateLayer::new(authenticator);
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let session = MintRequest::new(TokenType::Session, user("alice"), lifetime);
    let session = world.tokens.mint(session).await.unwrap().token;
    let session = format!("session={}", session.expose());
    let cookies = format!("theme=dark; {session}; session2=x");
    let door = FrontDoor::new(&behind().await).unwrap();
    let cookie = [("cookie", cookies.as_str()), ("origin", "http://localhost:9002")];
    let mut request = with(get_it("/api/gms/x"), &cookie);
    request.extensions_mut().insert(ClientAddress("192.0.2.7".parse().unwrap()));
    let of_session = door.clone().session_cookie("session");
    let passed_on = answer(&layer, &of_session, request).await;
    let actor = pair("x-datahub-actor", "urn:li:corpuser:alice");
    let origin = pair("origin", "http://localhost:9002");
    let address = pair("x-forwarded-for", "192.0.2.7");
    assert_eq!(
        headers(&passed_on),
        [pair("cookie", &session), origin.clone(), actor.clone(), address]
    );
    let passed_on = answer(&layer, &door, with(get_it("/api/gms/x"), &cookie)).await;
    assert_eq!(headers(&passed_on), [origin, actor]);
}

#[tokio::test]
async fn with_authentication_disabled_everybody_is_that_actor() {
    let world = World::new().await;
    let door = FrontDoor::new(&behind().await).unwrap().session_cookie("session");
    let layer = world.layer().dangerous_disabled(user("alice"));
    let lines = [("authorization", "Bearer a.b.c"), ("cookie", "session=a.b.c")];
    for request in [get_it("/api/gms/x"), with(get_it("/api/gms/x"), &lines)] {
        let answer = answer(&layer, &door, request).await;
        assert_eq!(headers(&answer), [pair("x-datahub-actor", "urn:li:corpuser:alice")]);
    }
}

#[tokio::test]
async fn a_header_that_is_not_good_gets_nowhere() {
    let world = World::new().await;
    let door = FrontDoor::new(&behind().await).unwrap();
    let bad = with(get_it("/api/gms/x"), &[("authorization", "Bearer a.b.c")]);
    let answer = answer(&world.layer(), &door, bad).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_not_accepted"));
}

#[tokio::test]
async fn an_excluded_path_is_passed_on_for_nobody() {
    let world = World::new().await;
    let door = FrontDoor::new(&behind().await).unwrap().session_cookie("session");
    let layer = world.layer().exclude(["/api/gms/config"]);
    let bearer = format!("Bearer {}", world.mint().await.token.expose());
    let credentials = [("authorization", bearer.as_str()), ("cookie", "session=a")];
    let request = with(get_it("/api/gms/config"), &credentials);
    let request = with(request, &[("x-datahub-actor", "urn:li:corpuser:root")]);
    let passed_on = answer(&layer, &door, request).await;
    assert_eq!(passed_on.json()["target"], "/config");
    assert_eq!(headers(&passed_on), [pair("x-datahub-actor", "")]);
    let other = answer(&layer, &door, get_it("/api/gms/config/")).await;
    assert_eq!(other.status, 401);
}

#[tokio::test]
async fn who_is_not_there_is_refused_before_anything_else() {
    let world = World::new().await;
    let door = FrontDoor::new(&behind().await).unwrap();
    for path in ["/api/gms/x", "/api/gms/../x"] {
        let anonymous = answer(&world.layer().optional(), &door, get_it(path)).await;
        assert_eq!((anonymous.status, anonymous.code().as_str()), (401, "missing_token"));
        assert_eq!(anonymous.challenge(), Some(r#"Bearer realm="datahub""#));
        assert_eq!(anonymous.headers[header::CACHE_CONTROL], "no-store");
        let no_layer = door.clone().oneshot(get_it(path)).await.unwrap().into_answer().await;
        assert_eq!((no_layer.status, no_layer.code().as_str()), (500, "not_authenticated"));
    }
}

#[tokio::test]
async fn another_credential_than_a_token_is_not_passed_on() {
    let door = FrontDoor::new(&behind().await).unwrap().session_cookie("session");
    let request = with(get_it("/x"), &[("authorization", "Basic YTpi"), ("cookie", "session=a")]);
    let answer = sent(&door, request).await;
    assert_eq!(headers(&answer), [pair("x-datahub-actor", "urn:li:corpuser:alice")]);
}

#[tokio::test]
async fn paths_reach_the_service_as_they_were_judged() {
    let url = behind().await;
    let door = FrontDoor::new(&url).unwrap();
    for (path, target) in [
        ("/api/v2/graphql", "/api/graphql"),
        ("/api/graphql", "/api/graphql"),
        ("/openapi/v3/entity/tag?count=1", "/openapi/v3/entity/tag?count=1"),
        ("/api/gms//config", "//config"),
        ("/api/gms/a%2F..b//c", "/a%2F..b//c"),
        ("/api/gms", "/"),
    ] {
        assert_eq!(sent(&door, get_it(path)).await.json()["target"], target, "{path}");
    }
    for path in ["/api/gms/../x", "/api/gms/%2e%2e/x", "/api/gms/x/."] {
        let refused = sent(&door, get_it(path)).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad_request"), "{path}");
    }
    for method in [Method::CONNECT, Method::TRACE] {
        let request = Request::builder().method(method).uri("/api/gms/x");
        let refused = sent(&door, request.body(String::new()).unwrap()).await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "method_not_allowed"));
    }
    let below = FrontDoor::new(&format!("{url}/gms/")).unwrap();
    assert_eq!(sent(&below, get_it("/api/gms/x?y")).await.json()["target"], "/gms/x?y");
}

#[tokio::test]
async fn a_router_may_take_the_prefix_away() {
    let door = FrontDoor::new(&behind().await).unwrap().paths(Paths::AsTheyAre);
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.mint().await.token.expose());
    let app = Router::new().nest_service("/api/gms", door).layer(world.layer());
    for (path, target) in [
        ("/api/gms/entities/a?b", "/entities/a?b"),
        ("/api/gms/api/gms/x", "/api/gms/x"),
        ("/api/gms/api/v2/graphql", "/api/v2/graphql"),
    ] {
        let request = with(get_it(path), &[("authorization", &bearer)]);
        let answer = app.clone().oneshot(request.map(Body::from)).await.unwrap();
        assert_eq!(answer.into_answer().await.json()["target"], target);
    }
}

#[tokio::test]
async fn bodies_are_passed_on_as_they_come() {
    let mut door = FrontDoor::new(&behind().await).unwrap();
    let (sender, mut frames) = mpsc::channel::<Bytes>(1);
    let body = StreamBody::new(futures_util::stream::poll_fn(move |cx| {
        frames.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))))
    }));
    let mut request = Request::post("/api/gms/echo").body(body).unwrap();
    let somebody = Authentication::for_tests(Actor::new(user("alice")), []);
    request.extensions_mut().insert(somebody);
    let mut answer = door.call(request).await.unwrap().into_body();
    // Each comes back before the next is sent.
    for text in ["first", "second", "third"] {
        sender.send(text.into()).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_a_504() {
    let door = FrontDoor::new(&behind().await).unwrap();
    assert!(format!("{door:?}").contains("time_limit: Some(120s)"));
    let door = door.time_limit(Duration::from_millis(50));
    let late = sent(&door, get_it("/api/gms/never")).await;
    assert_eq!((late.status, late.code().as_str()), (504, "gateway_timeout"));
    assert!(late.json()["message"].is_string());
    assert_eq!(late.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_502() {
    let address: SocketAddr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let door = FrontDoor::new(&format!("http://{address}")).unwrap();
    let gone = sent(&door, get_it("/api/gms/x")).await;
    assert_eq!((gone.status, gone.code().as_str()), (502, "bad_gateway"));
    assert!(!gone.body.contains(&address.port().to_string()), "{}", gone.body);
}

#[tokio::test]
async fn a_service_that_answers_nonsense_is_a_500() {
    for nonsense in [&b""[..], b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Switching\r\n\r\n"] {
        let door = FrontDoor::new(&raw(nonsense).await).unwrap();
        let failed = sent(&door, get_it("/api/gms/x")).await;
        assert_eq!((failed.status, failed.code().as_str()), (500, "internal"));
    }
}

#[tokio::test]
async fn what_the_service_says_of_its_own_is_its_answer() {
    let door = FrontDoor::new(&behind().await).unwrap();
    for (path, status) in [("/api/gms/bad", 502), ("/api/gms/late", 504)] {
        let answer = sent(&door, get_it(path)).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, "its own"));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    let door =
        FrontDoor::new(&raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await).unwrap();
    let mut request = get_it("/api/gms/x");
    let somebody = Authentication::for_tests(Actor::new(user("alice")), []);
    request.extensions_mut().insert(somebody);
    let answer = door.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
}

/// The names in the table of what is not passed on, each in several spellings.
fn claims() -> Vec<String> {
    let names: Vec<String> = include_str!("../../src/front_door/not_passed_on.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .map(|name| name.replace('*', "User"))
        .filter(|name| name != "Connection")
        .collect();
    assert!(names.len() > 40, "{names:?}");
    names.iter().flat_map(|name| [name.clone(), name.to_uppercase().replace('-', "_")]).collect()
}

#[tokio::test]
async fn nobody_is_somebody_else_behind_it_by_a_header() {
    let world = World::new().await;
    let authenticator = Authenticator::builder(world.config.clone(), world.store.clone())
        .clock(world.clock.clone())
        .chain_before(Arc::new(FromCookie))
        .build()
        .await
        .unwrap();
    let layer = AuthenticateLayer::new(authenticator).exclude(["/api/gms/config"]);
    let door = FrontDoor::new(&behind().await).unwrap().session_cookie("session");
    let request = MintRequest::new(
        TokenType::Session,
        user("alice"),
        AccessTokenDuration::OneHour.lifetime(),
    );
    let session = world.tokens.mint(request).await.unwrap();
    let session = format!("session={}", session.token.expose());
    let bearer = format!("Bearer {}", world.mint().await.token.expose());
    let alice = "urn:li:corpuser:alice";
    let bearer = Some(("authorization", bearer.as_str()));
    let session = Some(("cookie", session.as_str()));
    for (path, credential, actor, is_named) in [
        ("/api/gms/x", bearer, alice, false),
        ("/api/gms/x", bearer, alice, true),
        ("/api/gms/x", session, alice, false),
        ("/api/gms/x", session, alice, true),
        ("/api/gms/config", None, "", false),
        ("/api/gms/config", None, "", true),
    ] {
        let mut lines: Vec<(String, String)> = Vec::new();
        for name in claims() {
            // Twice, since a server may take the first or the last.
            lines.push((name.clone(), "urn:li:corpuser:root".to_owned()));
            lines.push((name.clone(), "urn:li:corpuser:root".to_owned()));
            if is_named {
                lines.push(("connection".to_owned(), name));
            }
        }
        let mut lines: Vec<_> = lines.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        lines.extend(credential);
        let answer = answer(&layer, &door, with(get_it(path), &lines)).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        let mut expected = vec![pair("x-datahub-actor", actor)];
        expected.extend(credential.map(|(name, value)| pair(name, value)));
        expected.sort();
        assert_eq!(headers(&answer), expected, "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_too_long_with_what_comes_before_it_is_refused() {
    let url = format!("{}/{}", behind().await, "base".repeat(40));
    let door = FrontDoor::new(&url).unwrap();
    for (length, is_refused) in [(65_000, false), (65_400, true), (65_520, true)] {
        let answer = sent(&door, get_it(&format!("/openapi/{}", "a".repeat(length)))).await;
        assert_eq!(answer.body.contains("too long to be passed on"), is_refused, "{length}");
        if is_refused {
            assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"));
        }
    }
}

/// What a front door that listens answers to these bytes.
async fn spoken(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_comes_over_a_socket_is_passed_on_as_it_was_judged() {
    let world = World::new().await;
    let door = FrontDoor::new(&behind().await).unwrap();
    let app = Router::new().fallback_service(door).layer(world.layer());
    let url = serve(app).await;
    let address = url.strip_prefix("http://").unwrap();
    let token = world.mint().await.token;
    let head = format!("Authorization: Bearer {}\r\nConnection: close\r\n", token.expose());
    let said = async |request: String| {
        let answer = spoken(address, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"),
            "{answer}"
        );
        let begin = answer.find("{\"").unwrap();
        let end = answer.rfind('}').unwrap();
        serde_json::from_str::<Value>(&answer[begin..=end]).unwrap()
    };
    let names = |said: &Value| -> Vec<String> {
        let headers: Vec<(String, String)> =
            serde_json::from_value(said["headers"].clone()).unwrap();
        headers.into_iter().map(|(name, _)| name).collect()
    };

    // Of the absolute form, only the path counts.
    let it = said(format!(
        "GET http://elsewhere:1/api/gms/x?y HTTP/1.1\r\nHost: elsewhere:1\r\n{head}\r\n"
    ));
    assert_eq!(it.await["target"], "/x?y");
    let it = said(format!("GET /api/gms/x HTTP/1.0\r\n{head}\r\n")).await;
    assert_eq!(it["target"], "/x");
    // Trailers are nobody's headers.
    let it = said(format!(
        "POST /api/gms/x HTTP/1.1\r\nHost: a\r\n{head}Transfer-Encoding: chunked\r\nTrailer: \
         X-DataHub-Actor\r\n\r\n2\r\nab\r\n0\r\nX-DataHub-Actor: root\r\n\r\n"
    ))
    .await;
    assert_eq!(it["body"], "ab");
    assert!(!it.to_string().contains("root"), "{it}");
    // No tunnel comes of it.
    let it = said(format!(
        "GET /api/gms/x HTTP/1.1\r\nHost: a\r\n{}Upgrade: websocket\r\nSec-WebSocket-Version: \
         13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        head.replace("close", "close, upgrade")
    ))
    .await;
    assert!(!names(&it).iter().any(|name| name == "upgrade" || name == "connection"), "{it}");

    // Two lengths, of which somebody could believe the other: one request and never two.
    for lengths in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
    ] {
        let request = format!(
            "POST /api/gms/x HTTP/1.1\r\nHost: a\r\n{}{lengths}\r\n0\r\n\r\nGET /api/gms/second \
             HTTP/1.1\r\nHost: a\r\n\r\n",
            head.replace("Connection: close\r\n", "")
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.contains("second"), "{answer}");
        assert!(!answer.contains("\"content-length\",\"3\""), "{answer}");
    }
}
