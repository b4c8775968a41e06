//! A hyper server behind the layer, without any framework: who asks is in the extensions.
//!
//! ```console
//! $ cargo run --example hyper
//! $ curl -i http://127.0.0.1:3000/ -H "Authorization: Bearer $TOKEN"
//! ```

use std::{convert::Infallible, error::Error, sync::Arc};

use http::{Request, Response};
use http_body::Body;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{Service, ServiceBuilder, service_fn};
use tower_pat::{
    AuthenticateLayer, Authentication, Authenticator, Config, TokenService,
    actor::{DirectoryStore, Urn},
    authenticate::ResponseBody,
    random::{OsRandom, secret},
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

/// The service: greets whoever asks.
fn app<B: Body + Send + 'static>(
    authenticator: Authenticator,
) -> impl Service<
    Request<B>,
    Response = Response<ResponseBody<String>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    ServiceBuilder::new().layer(AuthenticateLayer::new(authenticator)).service(service_fn(
        |request: Request<B>| {
            let who = request.extensions().get::<Authentication>().map(|auth| auth.actor().urn());
            let text = who.map_or("nobody".to_owned(), |urn| format!("hello, {urn}\n"));
            std::future::ready(Ok(Response::new(text)))
        },
    ))
}

/// A store with a user, and a token for it. A real service has a `SqliteStore` and keys of its own.
async fn deployment() -> Result<(Authenticator, String), Box<dyn Error>> {
    let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
    let store = MemoryStore::default();
    let user = Urn::corpuser("datahub")?;
    store.create_user(&user).await?;
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let minted = TokenService::new(&config, Arc::new(store.clone()))
        .mint(MintRequest::new(TokenType::Personal, user, lifetime).name("example"))
        .await?;
    let authenticator = Authenticator::builder(config, store).build().await?;
    Ok((authenticator, minted.token.expose().to_owned()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (authenticator, token) = deployment().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    #[expect(clippy::print_stdout, reason = "it is shown once, to whoever started the example")]
    {
        println!("TOKEN={token}");
    }
    let service = TowerToHyperService::new(app(authenticator));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks concerns nobody but its client.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn whoever_has_a_token_is_greeted() -> Result<(), Box<dyn Error>> {
        let (authenticator, token) = deployment().await?;
        let app = app(authenticator);
        let response = app.clone().oneshot(Request::new(String::new())).await?;
        assert_eq!(response.status(), 401);
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        let response = app.oneshot(request.body(String::new())?).await?;
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(body, "hello, urn:li:corpuser:datahub\n");
        Ok(())
    }
}
