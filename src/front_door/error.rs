/// Why there is no front door to an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontDoorError {
    /// It is no URL.
    #[error("not a URL: {url:?}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// The scheme is not `http`.
    #[error(
        "{url:?} does not begin with http://: requests are passed on over plain HTTP, for which \
         the service has to be on this machine or in a network of which one is sure; put a proxy \
         that speaks TLS in between where it is not"
    )]
    Scheme {
        /// What was given.
        url: String,
    },
    /// There is something in it that does not say where a service is: a user name or a query.
    #[error("a URL to pass requests on to has a host, maybe a port and a path, and no more")]
    Surplus,
}
