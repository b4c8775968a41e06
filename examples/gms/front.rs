//! What people and programs meet on port 9002, as in DataHub: the page on which tokens are made,
//! log-in, and behind them the metadata service, by way of a front door that judges who comes in.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{
        HeaderMap,
        header::{AUTHORIZATION, COOKIE},
    },
    response::Redirect,
    routing::get,
};
use tower::{Layer, util::MapRequestLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_pat::{
    AuthenticateLayer, Authenticator, Rejection,
    authenticate::ClientAddress,
    front_door::{FrontDoor, FrontDoorError},
    rejection::RejectionCode,
    session::{LogInService, LogOutService, Sessions},
    settings::{LogIn, SettingsService},
};

use crate::routes;

/// The front door of the metadata service at `gms`, maybe behind a proxy at the address `proxy`.
pub(crate) fn app(
    sessions: &Sessions,
    authenticator: &Authenticator,
    gms: &str,
    proxy: Option<IpAddr>,
) -> Result<Router, FrontDoorError> {
    let door = FrontDoor::new(gms)?.session_cookie(sessions.cookie_name());
    let page = SettingsService::new()
        .public_path(PAGE)
        .log_in(LogIn::form("/logIn", "/logOut"))
        .metadata_service(&format!("{}/api/gms", sessions.public_url().origin()));
    // The page holds no secret, and log-in and log-out judge for themselves.
    let open = Router::new()
        .route("/", get(async || Redirect::temporary(PAGE)))
        .route("/health", get(async || "OK"))
        .nest_service(PAGE, page)
        .route_service("/logIn", LogInService::new(sessions.clone()))
        .route_service("/logOut", LogOutService::new(sessions.clone()));
    let guarded = Router::new()
        .route_service("/api/gms", door.clone())
        .route_service("/api/gms/", door.clone())
        .route_service("/api/gms/{*path}", door.clone())
        .route_service("/api/graphql", door.clone())
        .route_service("/api/v2/graphql", door.clone())
        .route_service("/openapi/{*path}", door.clone())
        .route_service("/pat/{*path}", door)
        .fallback(async || Rejection::new(RejectionCode::NotFound, "there is no such path"))
        .layer(AuthenticateLayer::new(authenticator.clone()).exclude([
            "/api/gms/config",
            // What DataHub's client asks for if its server is called `.../api/gms/`.
            "/api/gms//config",
            "/api/gms/health",
        ]));
    let app = open
        .merge(guarded)
        .layer(routes::trace())
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE]));
    let prepare = move |request| with_address(request, proxy);
    Ok(Router::new().fallback_service(MapRequestLayer::new(prepare).layer(app)))
}

/// Says where a request comes from: from whom this machine is connected with. If that is `proxy`, from
/// whom the proxy says it is connected with, and else from nothing that the request says.
pub(crate) fn with_address(mut request: Request, proxy: Option<IpAddr>) -> Request {
    if let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let mut address = address.ip().to_canonical();
        if proxy.is_some_and(|proxy| proxy.to_canonical() == address) {
            address = forwarded_for(request.headers()).unwrap_or(address);
        }
        request.extensions_mut().insert(ClientAddress(address));
    }
    request
}

/// What the nearest proxy has put behind whatever others say.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

/// Where the page is.
const PAGE: &str = "/settings/tokens";
