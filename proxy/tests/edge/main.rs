//! The edge from outside: real sockets against a dispatch that does as the path says.

mod limits;
mod probe;
mod protocols;
mod served;
mod stop;
mod tls;
