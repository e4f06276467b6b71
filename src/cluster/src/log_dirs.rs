//! Failed log directories, which the controller hears of through `/log_dir_event_notification`
//! (KIP-112).

use tokio::sync::watch;

use crate::Cluster;
use crate::convert::chain;
use crate::driver::RETRY_PAUSE;

impl Cluster {
    /// Tells the controller whenever more of this broker's log directories have failed (KIP-112):
    /// it asks for the replicas that are gone. Never returns while `failed`'s sender lives.
    pub async fn report_dir_failures(self, mut failed: watch::Receiver<usize>) {
        while failed.changed().await.is_ok() {
            let count = *failed.borrow_and_update();
            while let Err(error) = self
                .shared
                .zk
                .notify_log_dir_failure(self.shared.id())
                .await
            {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the controller is not told of a failed log directory yet"
                );
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            tracing::info!(
                failed = count,
                "the controller is told of failed log directories"
            );
        }
    }
}
