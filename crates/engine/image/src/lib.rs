//! Container images: imported from archives or pulled from registries, checked, and unpacked into
//! folders that environments have as their root.
//!
//! - [`Images`]: the images of a data folder: [`Images::import`], [`Images::resolve`],
//!   [`Images::root`].
//! - [`Reference`]: the name of an image, as `ImageUri` has it.
//! - [`Settings`]: what an image says about how it is run; [`ImageLease`]: an unpacked image that stays.
//! - [`ImageError`]: why there is no image to be had.
//!
//! It knows nothing of functions and starts nothing. Whether an image is still needed is asked of
//! whoever uses it: the receiver that comes with [`Images::open`] hears of images that somebody let
//! go of, and [`Images::remove_unless`] is the answer.
//!
//! # What is trusted
//! Nothing that comes with an image. Each blob is held against the digest by which it was asked for,
//! each layer against the digest that the image's configuration has of its content. Names inside
//! layers are resolved by the kernel as if the image's folder were the root (`tree`), sizes and
//! numbers are bounded (`limits`), devices are left out, owners and set-user-id bits too.

mod architecture;
mod archive;
mod credentials;
mod document;
mod error;
mod images;
mod layer;
mod limits;
mod program;
mod reference;
mod registry;
mod stream;
mod tables;
mod tarball;
mod tree;

pub use architecture::Architecture;
pub use credentials::{Credentials, CredentialsError};
pub use document::Settings;
pub use error::{ImageError, LayerError};
pub use images::{ImageLease, Images, ImagesOptions, Named, Pulling, Resolved};
pub use program::{files_in, find_program};
pub use reference::{Reference, ReferenceError};
pub use stream::Upload;
pub use tables::SCHEMA;
