//! A tonic server behind the layer: the health service of gRPC, open to all that have a token.
//!
//! ```console
//! $ cargo run --example tonic --features tonic
//! $ curl -i --http2-prior-knowledge http://127.0.0.1:50051/grpc.health.v1.Health/Check \
//!     -H 'content-type: application/grpc' -H "Authorization: Bearer $TOKEN" \
//!     --data-binary @<(printf '\0\0\0\0\0')
//! ```

use std::{error::Error, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tower::Layer;
use tower_pat::{
    AuthenticateLayer, Authenticator, Config, TokenService,
    actor::{DirectoryStore, Urn},
    random::{OsRandom, secret},
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

/// Serves the health service on `listener`. A layer on the server (`Server::builder().layer(..)`)
/// guards all of its services; here it guards this one, which keeps its gRPC name.
async fn app(listener: TcpListener, authenticator: Authenticator) -> Result<(), Box<dyn Error>> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    Server::builder()
        .add_service(AuthenticateLayer::new(authenticator).layer(health))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
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
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 50051))).await?;
    #[expect(clippy::print_stdout, reason = "it is shown once, to whoever started the example")]
    {
        println!("TOKEN={token}");
    }
    app(listener, authenticator).await
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Request, transport::Channel};
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::*;

    #[tokio::test]
    async fn a_call_needs_a_token() -> Result<(), Box<dyn Error>> {
        let (authenticator, token) = deployment().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async { app(listener, authenticator).await.is_ok() });

        let mut client = HealthClient::new(Channel::from_shared(address)?.connect().await?);
        let refused = client.check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);

        let mut request = Request::new(HealthCheckRequest::default());
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        assert_eq!(client.check(request).await?.into_inner().status, 1);
        server.abort();
        Ok(())
    }
}
