//! Services of the catalogue that are not built yet. A row leaves this table when its folder and its line in
//! [`crate::services`] arrive; asking for one at creation answers 501 and names it.

use crate::price::{NEON_CENTS, SERVICE_CENTS, SQL_DATABASE_CENTS};
use crate::service::Provider::{self, Aws, Azure, Cloudflare, DigitalOcean, Gcp, Neon, Supabase};

#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub id: &'static str,
    pub provider: Provider,
    pub title: &'static str,
    /// Price per hour in US cents.
    pub price_cents: u32,
}

const fn row(provider: Provider, id: &'static str, title: &'static str, price_cents: u32) -> Planned {
    Planned { id, provider, title, price_cents }
}

pub static PLANNED: &[Planned] = &[
    row(Aws, "aws_sqs", "SQS", SERVICE_CENTS),
    row(Aws, "aws_sns", "SNS", SERVICE_CENTS),
    row(Aws, "aws_dynamodb", "DynamoDB", SERVICE_CENTS),
    row(Aws, "aws_lambda", "Lambda", SERVICE_CENTS),
    row(Aws, "aws_iam", "IAM and STS", SERVICE_CENTS),
    row(Aws, "aws_route53", "Route 53", SERVICE_CENTS),
    row(Aws, "aws_ecr", "Elastic Container Registry", SERVICE_CENTS),
    row(Aws, "aws_rds_postgres", "RDS for PostgreSQL", SQL_DATABASE_CENTS),
    row(Aws, "aws_rds_mysql", "RDS for MySQL", SQL_DATABASE_CENTS),
    row(Aws, "aws_elasticache", "ElastiCache", SERVICE_CENTS),
    row(Azure, "azure_blob", "Blob Storage", SERVICE_CENTS),
    row(Azure, "azure_sql", "Azure SQL", SQL_DATABASE_CENTS),
    row(Azure, "azure_cosmos", "Cosmos DB", SERVICE_CENTS),
    row(Azure, "azure_functions", "Functions", SERVICE_CENTS),
    row(Azure, "azure_servicebus", "Service Bus", SERVICE_CENTS),
    row(Azure, "azure_acr", "Container Registry", SERVICE_CENTS),
    row(Azure, "azure_redis", "Cache for Redis", SERVICE_CENTS),
    row(Gcp, "gcp_storage", "Cloud Storage", SERVICE_CENTS),
    row(Gcp, "gcp_sql", "Cloud SQL", SQL_DATABASE_CENTS),
    row(Gcp, "gcp_firestore", "Firestore", SERVICE_CENTS),
    row(Gcp, "gcp_functions", "Cloud Functions", SERVICE_CENTS),
    row(Gcp, "gcp_pubsub", "Pub/Sub", SERVICE_CENTS),
    row(Gcp, "gcp_gcr", "Container Registry", SERVICE_CENTS),
    row(Gcp, "gcp_run", "Cloud Run", SERVICE_CENTS),
    row(Gcp, "gcp_memorystore", "Memorystore", SERVICE_CENTS),
    row(DigitalOcean, "do_databases", "Managed Databases", SQL_DATABASE_CENTS),
    row(DigitalOcean, "do_mongodb", "Managed MongoDB", SERVICE_CENTS),
    row(DigitalOcean, "do_apps", "App Platform", SERVICE_CENTS),
    row(DigitalOcean, "do_droplets", "Droplets", SERVICE_CENTS),
    row(DigitalOcean, "do_registry", "Container Registry", SERVICE_CENTS),
    row(Supabase, "supabase_postgres", "Postgres", SQL_DATABASE_CENTS),
    row(Supabase, "supabase_rest", "REST", SERVICE_CENTS),
    row(Supabase, "supabase_auth", "Auth", SERVICE_CENTS),
    row(Supabase, "supabase_storage", "Storage", SERVICE_CENTS),
    row(Supabase, "supabase_realtime", "Realtime", SERVICE_CENTS),
    row(Supabase, "supabase_functions", "Edge Functions", SERVICE_CENTS),
    row(Cloudflare, "cloudflare_kv", "Workers KV", SERVICE_CENTS),
    row(Cloudflare, "cloudflare_d1", "D1", SERVICE_CENTS),
    row(Cloudflare, "cloudflare_workers", "Workers", SERVICE_CENTS),
    row(Cloudflare, "cloudflare_durable_objects", "Durable Objects", SERVICE_CENTS),
    row(Cloudflare, "cloudflare_queues", "Queues", SERVICE_CENTS),
    row(Neon, "neon_postgres", "Neon Postgres", NEON_CENTS),
];
