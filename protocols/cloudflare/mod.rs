pub mod r2;
