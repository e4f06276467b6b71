//! An answer that is here already, or comes later.

use std::future::Future;
use std::pin::Pin;

/// What a call that may have to wait gives back.
pub enum Completion<T> {
    /// Done within the call.
    Ready(T),
    /// Waits for something; may be dropped at any time.
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Completion<T> {
    /// Waits for the answer, wherever it stands.
    pub async fn wait(self) -> T {
        match self {
            Completion::Ready(answer) => answer,
            Completion::Pending(future) => future.await,
        }
    }
}
