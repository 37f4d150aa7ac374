//! The functions, with a cache before the store.
//!
//! An invocation finds its function in memory. What is cached was read from the store, never made
//! up; a write drops what is cached of its function once it is durable. The generation counter
//! keeps a slow reader from caching what it read before a write that has been dropped meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ids::Qualifier;
use parking_lot::RwLock;
use policy::Policy;
use store::Store;

use super::event_invoke::EventInvoke;
use super::key::FunctionKey;
use super::record::{AliasRecord, LATEST, VersionRecord};
use super::settings::Settings;
use super::tables::Tables;
use super::url::FunctionUrl;
use crate::deployment::Deployment;
use crate::error::ApiError;

/// A version as invocations need it.
#[derive(Debug)]
pub(crate) struct CachedVersion {
    pub(crate) record: VersionRecord,
    /// What invocations run; made when the first one comes.
    pub(crate) deployment: RwLock<Option<Arc<Deployment>>>,
}

#[derive(Debug, Default)]
struct Cached {
    versions: HashMap<u64, Arc<CachedVersion>>,
    aliases: HashMap<String, Arc<AliasRecord>>,
    settings: Option<Arc<Settings>>,
    policies: HashMap<Qualifier, Option<Arc<Policy>>>,
    event_invokes: HashMap<Qualifier, Option<Arc<EventInvoke>>>,
}

impl Cached {
    /// Whether what the qualifier names is cached, so that it exists.
    fn has(&self, qualifier: &Qualifier) -> bool {
        match qualifier {
            Qualifier::Latest => self.versions.contains_key(&LATEST),
            Qualifier::Version(number) => self.versions.contains_key(number),
            Qualifier::Alias(name) => self.aliases.contains_key(name),
        }
    }
}

/// Drops what is cached of a function when it is dropped itself.
struct Forget<'a> {
    registry: &'a Registry,
    key: &'a FunctionKey,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.registry.generation.fetch_add(1, Ordering::SeqCst);
        self.registry.cache.write().remove(self.key);
        let mut urls = self.registry.urls.write();
        urls.retain(|_, url| url.key != *self.key);
    }
}

/// The functions.
#[derive(Debug)]
pub(crate) struct Registry {
    store: Store,
    cache: RwLock<HashMap<FunctionKey, Cached>>,
    /// By their ids.
    urls: RwLock<HashMap<Arc<str>, Arc<FunctionUrl>>>,
    generation: AtomicU64,
}

impl Registry {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            cache: RwLock::default(),
            urls: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Changes what is kept of `key`, in one transaction, and returns once it is durable.
    pub(crate) async fn write<T, F>(&self, key: &FunctionKey, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, ApiError> + Send + 'static,
    {
        // Also where the caller does not wait for the end: the write happens all the same.
        let _forget = Forget {
            registry: self,
            key,
        };
        self.write_apart(work).await
    }

    /// Changes what is kept apart from functions, in one transaction, and returns once it is
    /// durable. Nothing that is cached may depend on it.
    pub(crate) async fn write_apart<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, ApiError> + Send + 'static,
    {
        self.store
            .write(move |connection| work(&Tables(connection)))
            .await
    }

    /// Reads from the store.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, ApiError> + Send + 'static,
    {
        self.store
            .read(move |connection| work(&Tables(connection)))
            .await
    }

    /// One version, from memory where it was read before.
    pub(crate) async fn version(
        &self,
        key: &FunctionKey,
        number: u64,
    ) -> Result<Option<Arc<CachedVersion>>, ApiError> {
        if let Some(found) = self
            .cache
            .read()
            .get(key)
            .and_then(|c| c.versions.get(&number))
        {
            return Ok(Some(Arc::clone(found)));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let wanted = key.clone();
        let Some(record) = self
            .read(move |tables| tables.version(&wanted, number))
            .await?
        else {
            return Ok(None);
        };
        let found = Arc::new(CachedVersion {
            record,
            deployment: RwLock::new(None),
        });
        self.keep(generation, key, |cached| {
            cached.versions.insert(number, Arc::clone(&found));
        });
        Ok(Some(found))
    }

    /// One alias, from memory where it was read before.
    pub(crate) async fn alias(
        &self,
        key: &FunctionKey,
        alias: &str,
    ) -> Result<Option<Arc<AliasRecord>>, ApiError> {
        if let Some(found) = self
            .cache
            .read()
            .get(key)
            .and_then(|c| c.aliases.get(alias))
        {
            return Ok(Some(Arc::clone(found)));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let (wanted, name) = (key.clone(), alias.to_owned());
        let Some(record) = self
            .read(move |tables| tables.alias(&wanted, &name))
            .await?
        else {
            return Ok(None);
        };
        let found = Arc::new(record);
        self.keep(generation, key, |cached| {
            cached.aliases.insert(alias.to_owned(), Arc::clone(&found));
        });
        Ok(Some(found))
    }

    /// The settings of a function, from memory where they were read before.
    pub(crate) async fn settings(
        &self,
        key: &FunctionKey,
    ) -> Result<Option<Arc<Settings>>, ApiError> {
        if let Some(found) = self.cache.read().get(key).and_then(|c| c.settings.clone()) {
            return Ok(Some(found));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let wanted = key.clone();
        let found = self.read(move |tables| tables.settings(&wanted)).await?;
        let found = found.map(Arc::new);
        if let Some(found) = &found {
            self.keep(generation, key, |cached| {
                cached.settings = Some(Arc::clone(found));
            });
        }
        Ok(found)
    }

    /// The function URL of that id, from memory where it was read before.
    pub(crate) async fn url(&self, id: &str) -> Result<Option<Arc<FunctionUrl>>, ApiError> {
        if let Some(found) = self.urls.read().get(id) {
            return Ok(Some(Arc::clone(found)));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let wanted = id.to_owned();
        let Some(url) = self.read(move |tables| tables.url_by_id(&wanted)).await? else {
            return Ok(None);
        };
        let found = Arc::new(url);
        let mut urls = self.urls.write();
        if self.generation.load(Ordering::SeqCst) == generation {
            urls.insert(Arc::clone(&found.id), Arc::clone(&found));
        }
        Ok(Some(found))
    }

    /// A resource policy, ready to judge by, from memory where it was read before.
    pub(crate) async fn resource_policy(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<Option<Arc<Policy>>, ApiError> {
        if let Some(found) = self
            .cache
            .read()
            .get(key)
            .and_then(|c| c.policies.get(qualifier))
        {
            return Ok(found.clone());
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let wanted = (key.clone(), qualifier.clone());
        let found = self
            .read(move |tables| tables.resource_policy(&wanted.0, &wanted.1))
            .await?;
        let found = found.map(|kept| kept.parsed()).transpose()?.map(Arc::new);
        self.keep(generation, key, |cached| {
            // That there is none is kept for what there is alone: anybody can make up names.
            if found.is_some() || cached.has(qualifier) {
                cached.policies.insert(qualifier.clone(), found.clone());
            }
        });
        Ok(found)
    }

    /// What becomes of the events of a qualifier, from memory where it was read before.
    pub(crate) async fn event_invoke(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<Option<Arc<EventInvoke>>, ApiError> {
        if let Some(found) = self
            .cache
            .read()
            .get(key)
            .and_then(|c| c.event_invokes.get(qualifier))
        {
            return Ok(found.clone());
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let wanted = (key.clone(), qualifier.to_string());
        let found = self
            .read(move |tables| tables.event_invoke(&wanted.0, &wanted.1))
            .await?;
        let found = found.map(Arc::new);
        self.keep(generation, key, |cached| {
            if found.is_some() || cached.has(qualifier) {
                cached
                    .event_invokes
                    .insert(qualifier.clone(), found.clone());
            }
        });
        Ok(found)
    }

    fn keep(&self, generation: u64, key: &FunctionKey, insert: impl FnOnce(&mut Cached)) {
        let mut cache = self.cache.write();
        if self.generation.load(Ordering::SeqCst) == generation {
            insert(cache.entry(key.clone()).or_default());
        }
    }
}
