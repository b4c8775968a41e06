//! What policies grant, and what they do not.

mod agreement;
mod load;
mod sharing;
mod vectors;
