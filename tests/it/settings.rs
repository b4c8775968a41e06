//! The settings page: what is served, and with which headers.

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_pat::settings::{LogIn, SettingsService};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(service: &SettingsService, request: Request<()>) -> Answer {
    let response: Response<_> = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn ask(service: &SettingsService, method: Method, path: &str) -> Answer {
    send(service, Request::builder().method(method).uri(path).body(()).unwrap()).await
}

async fn get(service: &SettingsService, path: &str) -> Answer {
    ask(service, Method::GET, path).await
}

const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", ">Manage Access Tokens</h1>"),
    ("/settings.css", "text/css; charset=utf-8", "prefers-color-scheme"),
    ("/settings.js", "text/javascript; charset=utf-8", "createAccessToken"),
    ("/icon.svg", "image/svg+xml", "<svg"),
];

#[tokio::test]
async fn the_page_and_its_files_are_served() {
    let service = SettingsService::new();
    for (path, content_type, content) in FILES {
        let answer = get(&service, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), content_type);
        assert!(answer.body.contains(content), "{path}");
        let head = ask(&service, Method::HEAD, path).await;
        assert_eq!((head.status, head.headers), (answer.status, answer.headers), "{path}");
    }
}

#[tokio::test]
async fn every_answer_keeps_others_out() {
    let service = SettingsService::new();
    let mut answers = vec![get(&service, "/nothing").await, ask(&service, Method::POST, "/").await];
    for (path, ..) in FILES {
        answers.push(get(&service, path).await);
    }
    for answer in answers {
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    }
}

#[tokio::test]
async fn the_page_is_not_kept_and_files_are_asked_for_again() {
    let service = SettingsService::new();
    let page = get(&service, "/").await;
    assert_eq!((page.header("cache-control"), page.header("etag")), ("no-store", ""));
    for (path, ..) in &FILES[1..] {
        let file = get(&service, path).await;
        assert_eq!(file.header("cache-control"), "no-cache");
        let known = |tag: &str| {
            let request = Request::builder().uri(*path).header(header::IF_NONE_MATCH, tag);
            send(&service, request.body(()).unwrap())
        };
        let same = known(file.header("etag")).await;
        assert_eq!((same.status, same.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        assert_eq!(same.header("etag"), file.header("etag"));
        assert_eq!(same.header("cache-control"), "no-cache");
        let other = known("\"other\"").await;
        assert_eq!((other.status, other.body), (StatusCode::OK, file.body.clone()), "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is_there() {
    let service = SettingsService::new();
    for path in
        ["/page.html", "/settings.css/", "//settings.css", "/../settings.js", "/x", "//", "/%2f"]
    {
        let answer = get(&service, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["code"], "not_found");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    for (path, ..) in FILES {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = ask(&service, method, path).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn what_a_deployment_chose_is_in_the_page() {
    let page = get(&SettingsService::new(), "/").await.body;
    for default in [
        r#"href="/settings/tokens/settings.css""#,
        r#"src="/settings/tokens/settings.js""#,
        r#"data-graphql-path="/api/graphql""#,
        r#"data-log-in="none""#,
        r#"data-metadata-service="""#,
        r#"data-contact="your DataHub administrator""#,
    ] {
        assert!(page.contains(default), "{default}");
    }
    let service = SettingsService::new()
        .public_path("tokens/")
        .graphql_path("/graphql")
        .log_in(LogIn::form("/logIn", "/logOut"))
        .metadata_service("https://datahub.example.com/api/gms/")
        .contact("the <data> team & \"friends\"");
    let page = get(&service, "/").await.body;
    for chosen in [
        r#"href="/tokens/settings.css""#,
        r#"src="/tokens/settings.js""#,
        r#"data-graphql-path="/graphql""#,
        r#"data-log-in="form" data-log-in-path="/logIn""#,
        r#"data-log-out-path="/logOut""#,
        r#"data-metadata-service="https://datahub.example.com/api/gms""#,
        r#"data-contact="the &lt;data&gt; team &amp; &quot;friends&quot;""#,
    ] {
        assert!(page.contains(chosen), "{chosen}");
    }
    let elsewhere = LogIn::At("https://sso.example.com/?a=1&b=2".to_owned());
    let service = SettingsService::new().public_path("/").log_in(elsewhere);
    let page = get(&service, "/").await.body;
    assert!(
        page.contains(
            r#"data-log-in="link" data-log-in-path="https://sso.example.com/?a=1&amp;b=2""#
        )
    );
    assert!(page.contains(r#"src="/settings.js""#));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn it_is_found_where_it_is_mounted() {
    let app: axum::Router =
        axum::Router::new().nest_service("/settings/tokens", SettingsService::new());
    for path in ["/settings/tokens", "/settings/tokens/", "/settings/tokens/settings.js"] {
        let request = Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), StatusCode::OK, "{path}");
    }
}
