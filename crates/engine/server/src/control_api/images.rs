//! Container images on the control API: listed, imported, removed.

use std::io;
use std::time::Duration;

use control::ImageName;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ids::Clock;
use image::{ImageError, Named, Reference, Upload};
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc;

use super::{json, message, not_allowed};
use crate::shared::{Body, Shared};

/// Whoever sends an archive sends something in this time.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn serve(shared: &Shared, parts: &Parts, body: Incoming) -> Response<Body> {
    if parts.method == Method::GET {
        return match shared.services.images.names().await {
            Ok(names) => json(StatusCode::OK, &shown(names)),
            Err(error) => refused(&error),
        };
    }
    // The requests of this API carry no signature that could be verified.
    if shared.services.verifier.is_some() {
        return message(
            StatusCode::FORBIDDEN,
            "an engine that verifies signatures changes no images here: import them into its data \
             folder by an engine without --auth",
        );
    }
    let name = parts
        .uri
        .query()
        .and_then(|query| query.strip_prefix("name="));
    let Some(name) = name.and_then(|name| named(shared, name)) else {
        return message(
            StatusCode::BAD_REQUEST,
            "no image can have this name: say repository:tag, or registry/repository:tag",
        );
    };
    match parts.method {
        Method::PUT => import(shared, &name, body).await,
        Method::DELETE => match shared.services.images.unname(&name).await {
            Ok(true) => json(StatusCode::OK, &Vec::<ImageName>::new()),
            Ok(false) => message(StatusCode::NOT_FOUND, "there is no image of this name"),
            Err(error) => refused(&error),
        },
        _ => not_allowed("GET, PUT, DELETE"),
    }
}

/// The name in full; one without a registry is of the engine's account and region.
fn named(shared: &Shared, name: &str) -> Option<Reference> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let services = &shared.services;
    let registry = format!("{}.dkr.ecr.{}.localhost", services.account, services.region);
    Reference::named(&name, &registry).ok()
}

async fn import(shared: &Shared, name: &Reference, body: Incoming) -> Response<Body> {
    let _ongoing = shared.activity.begin();
    let (sender, upload) = Upload::new();
    let importing = shared.services.images.import(upload, name);
    let (imported, ()) = tokio::join!(importing, pass_on(body, sender, &*shared.clock));
    match imported {
        Ok(names) => {
            tracing::info!(image = %name, "imported");
            json(StatusCode::OK, &shown(names))
        }
        Err(error) => refused(&error),
    }
}

/// Passes an archive on as it comes.
async fn pass_on(
    mut body: Incoming,
    sender: mpsc::Sender<io::Result<bytes::Bytes>>,
    clock: &dyn Clock,
) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame.map(|frame| frame.map_err(io::Error::other)),
            () = clock.sleep(SILENCE) => Some(Err(io::ErrorKind::TimedOut.into())),
            // Whoever reads has seen enough, or failed.
            () = sender.closed() => return,
        };
        let piece = match frame {
            None => return,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Some(Err(error)) => Err(error),
        };
        let failed = piece.is_err();
        if sender.send(piece).await.is_err() || failed {
            return;
        }
    }
}

fn shown(names: Vec<Named>) -> Vec<ImageName> {
    names
        .into_iter()
        .map(|named| ImageName {
            image_uri: named.name,
            architecture: named.architecture,
            digest: format!("sha256:{}", named.digest),
            size_bytes: named.size,
        })
        .collect()
}

fn refused(error: &ImageError) -> Response<Body> {
    let status = match error {
        ImageError::Archive { .. }
        | ImageError::Damaged { .. }
        | ImageError::Unsupported { .. } => StatusCode::BAD_REQUEST,
        ImageError::Closed => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    message(status, &error.to_string())
}
