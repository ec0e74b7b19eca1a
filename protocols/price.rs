//! What an environment costs per hour: the à-la-carte sum, or one package that covers it for less.
//!
//! All sums are whole US cents. A package covers an environment when it covers every service asked for;
//! packages are never combined, nor mixed with à-la-carte rows.

/// Everything that is not an SQL database: HTTP services, caches, document stores.
pub const SERVICE_CENTS: u32 = 10;
pub const SQL_DATABASE_CENTS: u32 = 20;
pub const NEON_CENTS: u32 = 25;

/// Services that "any five" covers.
pub const ANY_SERVICES_MAX: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Exactly these services of the catalogue, or fewer of them.
    These(&'static [&'static str]),
    /// Any services, up to this many.
    Any(usize),
    Everything,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    pub id: &'static str,
    pub title: &'static str,
    pub cents: u32,
    pub contents: Contents,
}

impl Package {
    pub fn covers(&self, services: &[&str]) -> bool {
        match self.contents {
            Contents::These(these) => services.iter().all(|id| these.contains(id)),
            Contents::Any(count) => services.len() <= count,
            Contents::Everything => true,
        }
    }
}

/// Order here is order in lists; of two packages at one price the first is named.
pub static PACKAGES: &[Package] = &[
    Package {
        id: "aws-starter",
        title: "AWS Starter",
        cents: 33,
        contents: Contents::These(&["aws_s3", "aws_sqs", "aws_elasticache", "aws_rds_mysql"]),
    },
    Package {
        id: "aws-full",
        title: "AWS Full",
        cents: 75,
        contents: Contents::These(&[
            "aws_s3",
            "aws_sqs",
            "aws_sns",
            "aws_dynamodb",
            "aws_lambda",
            "aws_iam",
            "aws_route53",
            "aws_ecr",
            "aws_rds_postgres",
            "aws_rds_mysql",
            "aws_elasticache",
        ]),
    },
    Package {
        id: "azure-starter",
        title: "Azure Starter",
        cents: 33,
        contents: Contents::These(&["azure_blob", "azure_sql", "azure_redis"]),
    },
    Package {
        id: "gcp-starter",
        title: "GCP Starter",
        cents: 33,
        contents: Contents::These(&["gcp_storage", "gcp_sql", "gcp_memorystore"]),
    },
    Package {
        id: "supabase-complete",
        title: "Supabase Complete",
        cents: 40,
        contents: Contents::These(&["supabase_postgres", "supabase_rest", "supabase_auth", "supabase_storage"]),
    },
    Package {
        id: "cloudflare-dev",
        title: "Cloudflare Dev",
        cents: 25,
        contents: Contents::These(&["cloudflare_r2", "cloudflare_kv", "cloudflare_d1"]),
    },
    // Dearer than its one service alone: it is sold for its name, and the rule charges the lower price.
    Package { id: "neon-branching", title: "Neon Branching", cents: 35, contents: Contents::These(&["neon_postgres"]) },
    Package {
        id: "digitalocean-stack",
        title: "Digital Ocean Stack",
        cents: 40,
        contents: Contents::These(&["do_spaces", "do_databases", "do_apps"]),
    },
    Package { id: "multi-cloud", title: "Multi-Cloud", cents: 50, contents: Contents::Any(ANY_SERVICES_MAX) },
    Package { id: "everything", title: "Everything", cents: 100, contents: Contents::Everything },
];

pub fn package(id: &str) -> Option<&'static Package> {
    PACKAGES.iter().find(|package| package.id == id)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    pub cents: u32,
    /// The package that made it cheaper than the sum.
    pub package: Option<&'static Package>,
}

/// Prices distinct services, each with its own price in cents.
pub fn quote(services: &[(&str, u32)]) -> Quote {
    let sum: u32 = services.iter().map(|(_, cents)| cents).sum();
    let ids: Vec<&str> = services.iter().map(|(id, _)| *id).collect();
    let cheapest = PACKAGES.iter().filter(|package| package.covers(&ids)).min_by_key(|package| package.cents);
    match cheapest {
        Some(package) if package.cents < sum => Quote { cents: package.cents, package: Some(package) },
        _ => Quote { cents: sum, package: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mockfactory::catalogue;

    fn check(ids: &str, cents: u32, package: &str) {
        let priced: Vec<(&str, u32)> = ids
            .split_whitespace()
            .map(|id| (id, catalogue::row(id).unwrap_or_else(|| panic!("{id} is not in the catalogue")).price_cents()))
            .collect();
        let got = quote(&priced);
        assert_eq!((got.cents, got.package.map_or("", |package| package.id)), (cents, package), "{ids}");
    }

    #[test]
    fn the_lower_of_sum_and_package() {
        check("aws_s3 azure_blob gcp_storage cloudflare_r2 supabase_postgres neon_postgres", 85, "");
        check("aws_s3", 10, "");
        check("aws_s3 cloudflare_r2 do_spaces", 30, "");
        check("aws_s3 aws_sqs aws_elasticache aws_rds_mysql", 33, "aws-starter");
        check("aws_s3 aws_sqs aws_rds_mysql", 33, "aws-starter");
        check("aws_s3 aws_sqs aws_elasticache", 30, "");
        check("aws_rds_mysql aws_elasticache", 30, "");
        check("azure_blob azure_sql azure_redis", 33, "azure-starter");
        check("gcp_storage gcp_sql gcp_memorystore", 33, "gcp-starter");
        check("supabase_postgres supabase_rest supabase_auth supabase_storage", 40, "supabase-complete");
        check("cloudflare_r2 cloudflare_kv cloudflare_d1", 25, "cloudflare-dev");
        check("cloudflare_r2 cloudflare_kv", 20, "");
        check("neon_postgres", 25, "");
        check("do_spaces do_databases do_apps", 40, "");
        check("aws_rds_postgres azure_sql gcp_sql", 50, "multi-cloud");
        check("aws_s3 aws_sqs aws_sns aws_lambda aws_iam", 50, "");
        check("aws_rds_postgres aws_rds_mysql azure_sql gcp_sql do_databases", 50, "multi-cloud");
        check("aws_rds_postgres aws_rds_mysql azure_sql gcp_sql do_databases neon_postgres", 100, "everything");
        check("aws_rds_postgres aws_rds_mysql aws_s3 aws_sqs aws_sns aws_dynamodb aws_lambda", 75, "aws-full");
        check("", 0, "");
    }

    #[test]
    fn packages_hold_only_services_of_the_catalogue() {
        for package in PACKAGES {
            if let Contents::These(these) = package.contents {
                for id in these {
                    assert!(catalogue::row(id).is_some(), "{}: {id}", package.id);
                }
            }
        }
    }
}
