//! The order of the start: what can refuse comes before what others can see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use ottla_cluster::{Bootstrap, Cluster, Registration, vital};
use ottla_config::ServerConfig;
use ottla_coordinator::Coordinator;
use ottla_log::{LogDirs, LogManager};
use ottla_metadata::{BrokerId, ConfigImage, Millis};
use ottla_network::Listeners;
use ottla_replication::{Options, ReplicaManager, Settings, TopicConfigs, log_manager_config};
use ottla_server::{Configs, Context, Parts, Proposals, Replicas, Server, group_settings};
use tracing::{info, warn};

use crate::options;
use crate::running::Running;
use crate::watchdog::{Orders, Watchdog};

/// Keeps the id of our ZooKeeper session, for the broker that follows on this directory.
pub(crate) const SESSION_FILE: &str = "zookeeper-session";
/// How long to wait for the controller's first word before serving without it.
const IMAGE_BOUND: Duration = Duration::from_secs(5);

/// Starts everything and answers when clients are served. Says when the logs are loaded: from there
/// on it is short, and broken off it would leave open logs and a registration behind.
pub(crate) async fn start(config: ServerConfig, in_sight: &AtomicBool) -> anyhow::Result<Running> {
    let began = Instant::now();
    let dirs = lock(&config).await?;
    let session_file = dirs.paths().first().map(|dir| dir.join(SESSION_FILE));
    let bootstrap = Bootstrap::connect(options::connect(&config, session_file)).await?;
    let (broker, image) = match identify(&config, &dirs, &bootstrap).await {
        Ok(identified) => identified,
        Err(refusal) => {
            bootstrap.close().await;
            return Err(refusal);
        }
    };
    let watchdog = watchdog(&config, broker, &dirs);
    let configs = Configs::new(broker, config.clone(), image);
    // What is stored in ZooKeeper goes before the file.
    let in_force = configs.server().load_full();
    let logs = load_logs(&in_force, dirs, &configs).await?;
    let loaded = began.elapsed();
    in_sight.store(true, Ordering::Relaxed);
    let (bootstrapped, kept) = ((broker, bootstrap), Arc::clone(&logs));
    match serve(&config, bootstrapped, configs, kept, watchdog).await {
        Ok(running) => {
            info!(
                broker = broker.0,
                logs = running.logs.logs().len(),
                logs_ms = loaded.as_millis(),
                total_ms = began.elapsed().as_millis(),
                "broker started"
            );
            Ok(running)
        }
        Err(refusal) => {
            // Loading took the marks of the last clean stop away.
            let closed = tokio::task::spawn_blocking(move || logs.shutdown(wall_clock())).await;
            if !matches!(closed, Ok(Ok(()))) {
                warn!("not all logs were closed cleanly; the next start recovers them");
            }
            Err(refusal)
        }
    }
}

/// Everything from the logs on.
async fn serve(
    config: &ServerConfig,
    (broker, bootstrap): (BrokerId, Bootstrap),
    configs: Arc<Configs>,
    logs: Arc<LogManager>,
    watchdog: Option<Watchdog>,
) -> anyhow::Result<Running> {
    let in_force = configs.server().load_full();
    let network = Listeners::bind(options::listeners(config), options::network(&in_force))?;
    let image_cell = bootstrap.image_cell();
    let replicas = ReplicaManager::new(Options {
        broker,
        logs: Arc::clone(&logs),
        image: Arc::clone(&image_cell),
        configs: Arc::clone(&configs) as Arc<dyn TopicConfigs>,
        isr_store: Some(Arc::new(Proposals(bootstrap.isr_proposer()))),
        settings: Settings::of(&in_force),
    });
    let registered = bootstrap
        .register(Registration {
            id: broker,
            endpoints: options::advertised(config, network.bound()),
            rack: config.identity.rack.clone(),
            version: config.inter_broker_protocol,
        })
        .await?;
    let coordinator = Coordinator::new(ottla_coordinator::Options {
        replicas: Arc::clone(&replicas),
        image: image_cell,
        settings: group_settings(config),
    });
    let commands = Arc::new(Replicas::new(
        broker,
        Arc::clone(&replicas),
        Arc::clone(&coordinator),
        Arc::clone(&configs),
    ));
    let cluster = registered.start(options::cluster(config), commands);
    let context = Context::new(Parts {
        broker,
        replicas: Arc::clone(&replicas),
        coordinator: Arc::clone(&coordinator),
        cluster: cluster.clone(),
        config: configs.server(),
    });
    let server = Arc::new(Server::new(context));
    let network = network.serve(Arc::clone(&server) as Arc<dyn ottla_network::Service>)?;
    wait_for_image(broker, &cluster).await;
    server.open();
    let (keeper, timers) = (Arc::clone(&replicas), Arc::clone(&coordinator));
    let (reporter, failed_dirs) = (cluster.clone(), replicas.failed_dirs());
    let housekeeping = tokio::spawn(async move {
        // Tasks of their own, so that none waits for another; they end with this one.
        let mut beside = tokio::task::JoinSet::new();
        beside.spawn(vital("timers of groups", timers.run()));
        let report = reporter.report_dir_failures(failed_dirs);
        beside.spawn(vital("notices of failed directories", report));
        vital("housekeeping", keeper.run()).await;
    });
    Ok(Running {
        network,
        housekeeping,
        coordinator,
        cluster,
        replicas,
        logs,
        watchdog,
        leave: options::leave(config),
    })
}

/// Somebody who notices when this process crashes, in whatever state.
fn watchdog(config: &ServerConfig, broker: BrokerId, dirs: &LogDirs) -> Option<Watchdog> {
    let dir = dirs.paths().first()?.to_path_buf();
    let orders = Orders {
        process: std::process::id(),
        broker: broker.0,
        session_timeout: config.zookeeper.session_timeout,
        connect: config.zookeeper.connect.clone(),
        dir,
    };
    let wanted = config.zookeeper.crash_watchdog;
    wanted.then(|| Watchdog::start(orders))
}

/// Clients wait for the controller's first word, but not for ever: it may be long in coming.
async fn wait_for_image(broker: BrokerId, cluster: &Cluster) {
    let mut changes = cluster.subscribe();
    let known = changes.wait_for(|_| cluster.image().brokers.contains_key(&broker));
    if tokio::time::timeout(IMAGE_BOUND, known).await.is_err() {
        warn!(
            "no controller has told of this broker yet; serving without knowledge of the cluster"
        );
    }
}

/// The directories come first: two brokers on one directory must not get any further.
async fn lock(config: &ServerConfig) -> anyhow::Result<LogDirs> {
    let paths = config.storage.dirs.clone();
    let dirs = tokio::task::spawn_blocking(move || LogDirs::lock(&paths)).await??;
    Ok(dirs)
}

/// Finds out who we are, from the properties, the directories and ZooKeeper, which must agree.
async fn identify(
    config: &ServerConfig,
    dirs: &LogDirs,
    bootstrap: &Bootstrap,
) -> anyhow::Result<(BrokerId, Arc<ConfigImage>)> {
    let identity = dirs.identity()?;
    let cluster_id = bootstrap.cluster_id().await?;
    let stored = identity.broker_id.map(BrokerId);
    let broker = match (config.identity.broker_id, stored) {
        (Some(id), _) => id,
        (None, Some(id)) => id,
        (None, None) if config.identity.generation_enable => {
            let reserved = config.identity.reserved_max_id;
            bootstrap.generate_broker_id(reserved).await?
        }
        (None, None) => bail!(
            "broker.id is not set and broker.id.generation.enable is false: set one of the two"
        ),
    };
    dirs.establish_identity(&cluster_id, broker.0)?;
    bootstrap.remove_remains(broker).await?;
    let image = bootstrap.load_configs().await?;
    Ok((broker, image))
}

async fn load_logs(
    config: &ServerConfig,
    dirs: LogDirs,
    configs: &Arc<Configs>,
) -> anyhow::Result<Arc<LogManager>> {
    let options = log_manager_config(config);
    let configs = Arc::clone(configs);
    let load = move || {
        LogManager::load(
            dirs,
            options,
            |topic| configs.log_config(topic),
            wall_clock(),
        )
    };
    let logs = tokio::task::spawn_blocking(load)
        .await?
        .context("cannot load the logs")?;
    Ok(Arc::new(logs))
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wall_clock() -> Millis {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| elapsed.as_millis() as Millis)
}
