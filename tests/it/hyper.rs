//! The layer on a hyper server, over a socket.

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_pat::Authentication;

use crate::support::World;

#[tokio::test]
async fn the_layer_guards_a_hyper_server() {
    let world = World::new().await;
    let token = world.mint().await.token;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = world.layer().layer(service_fn(|request: Request<hyper::body::Incoming>| {
        let auth = request.extensions().get::<Authentication>().cloned();
        let id = auth.map_or_else(String::new, |auth| auth.actor().id().to_owned());
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(id)))
    }));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let server = auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let get = async |authorization: Option<String>| {
        let mut request = Request::get(format!("http://{address}/"));
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    };
    let (status, headers, body) = get(None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
    assert!(body.contains("missing_token"));
    // HTTP libraries strip white space at the end of a header; a line break cannot get in.
    let (status, _, body) = get(Some(format!("bearer   {}", token.expose()))).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "alice"));
    let (status, ..) = get(Some(format!("Bearer {}x", token.expose()))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    server.abort();
}
