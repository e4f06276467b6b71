//! Tasks without which a broker only looks alive.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;

/// Runs a future whose panic ends the process. A broker that has lost such a task would keep its
/// session, and with it the leaderships and perhaps the controllership that it does not serve any
/// more; of a broker that is gone others take over at once, and nothing acknowledged is lost, as with
/// every crash.
pub async fn vital<T>(name: &'static str, future: impl Future<Output = T>) -> T {
    watched(future, || {
        tracing::error!(
            task = name,
            "a task that nothing works without has panicked; ending"
        );
        // The tests of this crate see the panic instead.
        if !cfg!(test) {
            std::process::abort();
        }
    })
    .await
}

/// Calls `panicked` when the future panics, but not when it ends or is dropped; then panics on.
async fn watched<T>(future: impl Future<Output = T>, panicked: impl Fn()) -> T {
    let mut future = pin!(future);
    // What the future leaves behind is not looked at again.
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            panicked();
            resume_unwind(panic)
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::panic_any;

    use super::*;

    #[tokio::test]
    async fn only_a_panic_counts() {
        let seen = Cell::new(0);
        let panicked = || seen.set(seen.get() + 1);
        let ended = watched(async { 7 }, panicked).await;
        let forever = watched(std::future::pending::<()>(), panicked);
        let dropped = tokio::time::timeout(std::time::Duration::ZERO, forever).await;
        assert_eq!((ended, dropped.is_err(), seen.get()), (7, true, 0));

        let panics = async {
            tokio::task::yield_now().await;
            panic_any("of a test")
        };
        let mut watched = Box::pin(watched::<()>(panics, panicked));
        let caught = poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| watched.as_mut().poll(context)));
            match polled {
                Ok(polled) => polled.map(|()| None),
                Err(panic) => std::task::Poll::Ready(panic.downcast_ref::<&str>().copied()),
            }
        })
        .await;
        assert_eq!((caught, seen.get()), (Some("of a test"), 1));
    }
}
