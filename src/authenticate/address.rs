use std::net::IpAddr;

/// The address of the client that sent a request: an extension that a server puts into it.
///
/// By it attempts to log in are limited, and it is noted with a token's last use. Without it no
/// address is noted.
///
/// Take it from the connection. Behind a proxy it is the proxy's business to say who its client is,
/// so take it from a header only if every request comes through a proxy that sets that header itself:
/// anybody can send an `X-Forwarded-For`.
///
/// ```
/// use std::net::SocketAddr;
/// use tower_pat::authenticate::ClientAddress;
///
/// # let peer: SocketAddr = "192.0.2.7:51000".parse().unwrap();
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(ClientAddress(peer.ip()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);
