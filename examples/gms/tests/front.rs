//! The front door: who gets in, as whom, and by what.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    http::{HeaderMap, header},
    response::Response,
};
use tokio::net::TcpListener;
use tower_pat::{authenticate::ClientAddress, session::Password};

use super::*;
use crate::front;

/// A front door before a service that listens.
struct Front {
    gms: Gms,
    app: Router,
}

impl Front {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let gms = Gms::new().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let behind = gms.app.clone();
        tokio::spawn(async move { axum::serve(listener, behind).await });
        let app = front::app(&gms.sessions, &gms.authenticator, &url, None)?;
        Ok(Self { gms, app })
    }

    /// The password of a user, by which they can log in from now on.
    async fn password(&self, name: &str) -> Result<Password, Box<dyn Error>> {
        let password = Password::random(&OsRandom)?;
        self.gms.sessions.set_password(&user(name), &password, &user("datahub")).await?;
        Ok(password)
    }

    async fn log_in(&self, name: &str, password: &Password) -> Result<Response, Box<dyn Error>> {
        let body = json!({ "username": name, "password": password.expose() });
        send(&self.app, Method::POST, "/logIn", &[], &body).await
    }

    /// The header of the cookie by which this user is logged in.
    async fn session(&self, name: &str) -> Result<String, Box<dyn Error>> {
        let password = self.password(name).await?;
        let response = self.log_in(name, &password).await?;
        assert_eq!(response.status(), 200);
        let cookie = response.headers()[header::SET_COOKIE].to_str()?;
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    }

    fn bearer(&self, who: &str) -> String {
        let token = self.gms.tokens.iter().find(|(name, _)| *name == who);
        format!("Bearer {}", token.map(|(_, token)| token.as_str()).unwrap_or_default())
    }

    async fn ask(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        query: &str,
    ) -> Result<(u16, Value), Box<dyn Error>> {
        let body = json!({ "query": query });
        read(send(&self.app, Method::POST, path, headers, &body).await?).await
    }

    async fn status(&self, path: &str, headers: &[(&str, &str)]) -> Result<u16, Box<dyn Error>> {
        Ok(send(&self.app, Method::GET, path, headers, &Value::Null).await?.status().as_u16())
    }
}

async fn send(
    app: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Result<Response, Box<dyn Error>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .extension(ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Ok(app.clone().oneshot(request.body(Body::from(body))?).await?)
}

async fn read(response: Response) -> Result<(u16, Value), Box<dyn Error>> {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

const ME: &str = "{ me { corpUser { urn } } }";
const ROOT: &str = "/api/gms/entities/urn:li:corpuser:datahub";

#[tokio::test]
async fn each_way_in_is_judged() -> TestResult {
    let front = Front::new().await?;
    let bearer = front.bearer("plain");
    let session = front.session("plain").await?;
    // Nobody, a bad token, a token, a session, and both at once.
    for (path, expected) in [
        ("/", [307, 307, 307, 307, 307]),
        ("/settings/tokens", [200, 200, 200, 200, 200]),
        ("/settings/tokens/settings.js", [200, 200, 200, 200, 200]),
        ("/health", [200, 200, 200, 200, 200]),
        ("/api/gms/config", [200, 200, 200, 200, 200]),
        ("/api/gms//config", [200, 200, 200, 200, 200]),
        ("/api/gms/health", [200, 200, 200, 200, 200]),
        ("/api/gms/config/", [401, 401, 404, 404, 400]),
        (ROOT, [401, 401, 200, 200, 400]),
        ("/openapi/v3/entity/tag", [401, 401, 200, 200, 400]),
        ("/pat/tokens", [401, 401, 200, 200, 400]),
        ("/api/gms/pat/tokens", [401, 401, 200, 200, 400]),
        ("/nowhere", [401, 401, 404, 404, 400]),
        ("/api/gms", [401, 401, 404, 404, 400]),
        ("/api/gms/../health", [401, 401, 400, 400, 400]),
    ] {
        let headers = [
            vec![],
            vec![("authorization", "Bearer a.b.c")],
            vec![("authorization", bearer.as_str())],
            vec![("cookie", session.as_str())],
            vec![("authorization", bearer.as_str()), ("cookie", session.as_str())],
        ];
        for (headers, expected) in headers.iter().zip(expected) {
            let status = front.status(path, headers).await?;
            assert_eq!(status, expected, "{path} {:?}", headers.first().map(|header| header.0));
        }
    }
    Ok(())
}

#[tokio::test]
async fn it_begins_at_the_page() -> TestResult {
    let front = Front::new().await?;
    let begin = send(&front.app, Method::GET, "/", &[], &Value::Null).await?;
    assert_eq!(begin.headers()[header::LOCATION], "/settings/tokens");
    let page = send(&front.app, Method::GET, "/settings/tokens", &[], &Value::Null).await?;
    let page = to_bytes(page.into_body(), usize::MAX).await?;
    let page = std::str::from_utf8(&page)?;
    assert!(page.contains("http://localhost:9002/api/gms"), "what the snippets name");
    assert!(page.contains("/logIn") && page.contains("/logOut"));
    Ok(())
}

/// As DataHub's client does on `datahub init --username`.
#[tokio::test]
async fn a_session_makes_a_token_that_outlives_it() -> TestResult {
    let front = Front::new().await?;
    let session = front.session("datahub").await?;
    let cookie = [("cookie", session.as_str())];
    let create = format!(
        "mutation {{ createAccessToken(input: {{ type: PERSONAL, actorUrn: \"{}\", \
         duration: ONE_MONTH, name: \"cli token\" }}) {{ accessToken }} }}",
        user("datahub"),
    );
    let (status, body) = front.ask("/api/v2/graphql", &cookie, &create).await?;
    assert_eq!(status, 200, "{body}");
    let token = body["data"]["createAccessToken"]["accessToken"].as_str().unwrap_or_default();
    let bearer = format!("Bearer {token}");
    let header = [("authorization", bearer.as_str())];
    assert_eq!(front.status(ROOT, &header).await?, 200);

    let out = send(&front.app, Method::POST, "/logOut", &cookie, &Value::Null).await?;
    assert_eq!(out.status(), 204);
    let removed = out.headers()[header::SET_COOKIE].to_str()?;
    assert!(removed.contains("Max-Age=0"), "{removed}");
    // At once where it was ended, and elsewhere within the bound; both have one authenticator here.
    for _ in 0..100 {
        if front.status(ROOT, &cookie).await? == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(front.status(ROOT, &cookie).await?, 401);
    let me = json!({ "query": ME });
    let behind = send(&front.gms.app, Method::POST, "/api/graphql", &cookie, &me).await?;
    assert_eq!(behind.status(), 401);
    assert_eq!(front.status(ROOT, &header).await?, 200);
    Ok(())
}

#[tokio::test]
async fn nobody_becomes_somebody_else_by_a_header() -> TestResult {
    let front = Front::new().await?;
    let session = front.session("plain").await?;
    let root = user("datahub").to_string();
    for header in ["x-datahub-actor", "x-forwarded-user", "remote-user", "x_datahub_actor"] {
        let claims = [("cookie", session.as_str()), (header, root.as_str())];
        let (_, body) = front.ask("/api/graphql", &claims, ME).await?;
        assert_eq!(body["data"]["me"]["corpUser"]["urn"], user("plain").to_string(), "{header}");
        let claims = [(header, root.as_str())];
        assert_eq!(front.ask("/api/graphql", &claims, ME).await?.0, 401, "{header}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_writes_only_from_its_own_origin() -> TestResult {
    let front = Front::new().await?;
    let session = front.session("plain").await?;
    for (origin, expected) in [
        (vec![], 200),
        (vec![("origin", "http://localhost:9002")], 200),
        (vec![("sec-fetch-site", "same-origin")], 200),
        (vec![("origin", "http://localhost:9003")], 403),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
    ] {
        let mut headers = vec![("cookie", session.as_str())];
        headers.extend(origin.iter().copied());
        for path in ["/api/graphql", "/api/v2/graphql", "/api/gms/api/graphql"] {
            let (status, body) = front.ask(path, &headers, ME).await?;
            assert_eq!(status, expected, "{path} {origin:?} {body}");
        }
        // The service behind it has the same rule, since a browser sends it the same cookie.
        let body = json!({ "query": ME });
        let behind = send(&front.gms.app, Method::POST, "/api/graphql", &headers, &body).await?;
        assert_eq!(behind.status(), expected, "{origin:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_password_ends_the_sessions() -> TestResult {
    let front = Front::new().await?;
    let session = front.session("plain").await?;
    let cookie = [("cookie", session.as_str())];
    assert_eq!(front.status(ROOT, &cookie).await?, 200);
    let password = front.password("plain").await?;
    for _ in 0..100 {
        if front.status(ROOT, &cookie).await? == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(front.status(ROOT, &cookie).await?, 401);
    assert_eq!(front.log_in("plain", &password).await?.status(), 200);
    let wrong = Password::from("not it, whatever it is".to_owned());
    let (status, body) = read(front.log_in("plain", &wrong).await?).await?;
    assert_eq!((status, &body["code"]), (400, &json!("invalid_credentials")));
    Ok(())
}

#[tokio::test]
async fn where_somebody_comes_from_is_known_by_the_connection_alone() -> TestResult {
    let mut request =
        Request::get("/").header("x-forwarded-for", "192.0.2.1").body(Body::empty())?;
    let address: std::net::SocketAddr = "198.51.100.7:1".parse()?;
    request.extensions_mut().insert(axum::extract::ConnectInfo(address));
    let request = front::with_address(request, None);
    let known = request.extensions().get::<ClientAddress>();
    assert_eq!(known, Some(&ClientAddress(address.ip())));
    let headers: &HeaderMap = request.headers();
    let request = front::with_address(Request::get("/").body(Body::empty())?, None);
    assert_eq!(request.extensions().get::<ClientAddress>(), None);
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
    Ok(())
}

#[tokio::test]
async fn a_proxy_says_where_somebody_comes_from_if_it_is_trusted() -> TestResult {
    let proxy: IpAddr = "198.51.100.7".parse()?;
    for (peer, forwarded, known) in [
        ("198.51.100.7:1", vec!["192.0.2.1"], "192.0.2.1"),
        // As a listener for both versions of IP has it.
        ("[::ffff:198.51.100.7]:1", vec!["2001:db8::1"], "2001:db8::1"),
        // What stands before the last has come from outside.
        ("198.51.100.7:1", vec!["203.0.113.1, 192.0.2.1"], "192.0.2.1"),
        ("198.51.100.7:1", vec!["203.0.113.1", "192.0.2.1"], "192.0.2.1"),
        ("198.51.100.7:1", vec![], "198.51.100.7"),
        ("198.51.100.7:1", vec!["192.0.2.1, unknown"], "198.51.100.7"),
        ("203.0.113.9:1", vec!["192.0.2.1"], "203.0.113.9"),
    ] {
        let mut request = Request::get("/");
        for value in &forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.body(Body::empty())?;
        let peer: std::net::SocketAddr = peer.parse()?;
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        let request = front::with_address(request, Some(proxy));
        let address = ClientAddress(known.parse()?);
        assert_eq!(request.extensions().get(), Some(&address), "{peer} {forwarded:?}");
    }
    Ok(())
}
