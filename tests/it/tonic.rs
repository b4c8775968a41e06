//! Both layers on tonic servers and services, over a socket.

use tokio::net::TcpListener;
use tonic::{
    Code, Request,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::Layer;
use tower_pat::{Privilege, RequirePrivilegeLayer};

use crate::support::World;

async fn listen() -> (TcpIncoming, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (TcpIncoming::from(listener), address)
}

async fn check(address: String, authorization: Option<&str>) -> Result<i32, Code> {
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut request = Request::new(HealthCheckRequest::default());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let answer = HealthClient::new(channel).check(request).await;
    answer.map(|answer| answer.into_inner().status).map_err(|status| status.code())
}

#[tokio::test]
async fn the_layers_guard_a_whole_server() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.mint().await.token.expose());
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let (incoming, address) = listen().await;
    let server =
        Server::builder().layer(world.layer()).add_service(health).serve_with_incoming(incoming);
    let server = tokio::spawn(server);
    assert_eq!(check(address.clone(), None).await, Err(Code::Unauthenticated));
    assert_eq!(check(address.clone(), Some("Bearer a.b.c")).await, Err(Code::Unauthenticated));
    assert_eq!(check(address.clone(), Some(&token)).await, Ok(1));
    assert_eq!(check(address.clone(), Some(&token)).await, Ok(1));
    let fresh = format!("Bearer {}", world.mint().await.token.expose());
    world.store.set_down(true);
    assert_eq!(check(address, Some(&fresh)).await, Err(Code::Unavailable));
    server.abort();
}

#[tokio::test]
async fn the_layers_guard_one_service() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.mint().await.token.expose());
    let (_, health) = tonic_health::server::health_reporter();
    let require = RequirePrivilegeLayer::new(Privilege::MANAGE_POLICIES);
    let (incoming, address) = listen().await;
    let server = Server::builder()
        .add_service(world.layer().layer(require.layer(health)))
        .serve_with_incoming(incoming);
    let server = tokio::spawn(server);
    assert_eq!(check(address.clone(), None).await, Err(Code::Unauthenticated));
    assert_eq!(check(address, Some(&token)).await, Err(Code::PermissionDenied));
    server.abort();
}
