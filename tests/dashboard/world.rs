//! A process in which there is something of everything to look at.

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant};

pub struct World {
    pub conduit: Conduit,
    pub shop: Tenant,
    pub processed: String,
    pub rejected: String,
    pub duplicate: String,
    pub failed: String,
    pub subject: String,
}

impl World {
    pub fn build() -> Self {
        let conduit = Conduit::with(&[
            ("FAILPOINTS", "PiiExtractorActor::event=return"),
            ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
        ]);
        let shop = Tenant::create(&conduit, "did:web:shop.example");
        let other = Tenant::create(&conduit, "did:web:bookshop.example");
        tamper(
            &conduit.data_dir().join("conduit.db"),
            "UPDATE controllers SET name = CASE did WHEN 'did:web:shop.example' THEN 'Shop' ELSE 'Bookshop' END",
        );
        let newsletter = json!({"name": "Newsletter", "events": [{"name": "newsletter_subscribed", "purpose": "Newsletter",
            "legalBasis": "consent", "fields": [{"path": "email", "required": true, "pii": "user.contact.email"}]}]});
        shop.call(&conduit, "POST", "/api/v1/integrations/custom", Some(newsletter))
            .expect(201);
        let rotate = format!("/api/v1/integrations/custom/{}/api-key/rotate", shop.integration);
        let rotated = shop
            .call(&conduit, "POST", &rotate, Some(json!({"gracePeriodSeconds": 86_400})))
            .expect(200);
        let shop = Tenant {
            webhook_auth: rotated.json()["webhookAuth"].as_str().unwrap().to_owned(),
            ..shop
        };
        let send = |event: &str, fields: Value| shop.send(&conduit, event, fields);
        let processed = send(
            "account_created",
            json!({"email": "ada@shop.example", "phone": "030 901820", "customer": {"name": "Ada Example"}, "items": [{"sku": "X1"}]}),
        );
        let subject = shop.outcome(&conduit, &processed)["subject"]
            .as_str()
            .unwrap()
            .to_owned();
        // Somebody who turns out to be the same.
        let one = send("contact", json!({"email": "ada.private@mail.example"}));
        shop.outcome(&conduit, &one);
        let both = send(
            "contact",
            json!({"email": "ada.private@mail.example", "phone": "+49 30 901820", "name": "Ada Example"}),
        );
        shop.outcome(&conduit, &both);
        let duplicate = send(
            "account_created",
            json!({"email": "ada@shop.example", "phone": "030 901820", "customer": {"name": "Ada Example"}, "items": [{"sku": "X1"}]}),
        );
        let rejected = send("account_created", json!({"phone": "12", "customer": {"name": "Bea"}}));
        send("order_placed", json!({"email": "ada@shop.example"}));
        for number in 0..60 {
            let email = format!("customer{}@shop.example", number % 40);
            let event = ["account_created", "contact", "unwatched"][number % 3];
            send(event, json!({"email": email, "customer": {"name": "Someone"}}));
            if number % 9 == 0 {
                send("account_created", json!({"email": "not an address"}));
            }
        }
        let failed = send("poison", json!({"email": "ada@shop.example"}));
        shop.outcome(&conduit, &failed);
        other.send(&conduit, "contact", json!({"email": "reader@mail.example"}));
        conduit.settled();
        let database = conduit.data_dir().join("conduit.db");
        actix_web::rt::System::new().block_on(write_history(&database));
        Self {
            conduit,
            processed,
            rejected,
            duplicate,
            failed,
            subject,
            shop,
        }
    }
}

/// Writes the history of a week, so that the chart has data. It cannot be sent, because an event's time is the time of
/// its receipt.
async fn write_history(database: &std::path::Path) {
    use sqlx::Connection as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(std::time::Duration::from_secs(30));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    for (resolution, many, most) in [(60_000i64, 60i64, 60i64), (3_600_000, 168, 2_400)] {
        sqlx::query(
            "WITH RECURSIVE back (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM back WHERE n < ?2) \
             INSERT INTO outcome_history SELECT pk, ?1, (unixepoch() * 1000 / ?1 - n) * ?1, \
             ?3 * (20 + (n * 37 + n * n) % 31 + 14 * (n % 24 BETWEEN 3 AND 13)) / 80, ?3 * (n * 7 % 5) / 200, \
             ?3 * (n % 11 = 4) * (n % 7) / 60, ?3 * (n % 29 = 5) / 90 FROM back, controllers \
             WHERE did = 'did:web:shop.example' ON CONFLICT DO NOTHING",
        )
        .bind(resolution)
        .bind(many)
        .bind(most)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    sqlx::query(
        "UPDATE controllers SET processed = processed + h.p, duplicate = duplicate + h.d, rejected = rejected + h.r, \
         failed = failed + h.f FROM (SELECT controller_pk, sum(processed) AS p, sum(duplicate) AS d, sum(rejected) AS r, \
         sum(failed) AS f FROM outcome_history WHERE resolution = 3600000 AND starts_at < unixepoch() * 1000 - 3600000 \
         GROUP BY controller_pk) AS h WHERE h.controller_pk = controllers.pk",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

/// Changes the database behind the back of the process.
pub fn tamper(database: &std::path::Path, statement: &'static str) {
    use sqlx::Connection as _;
    actix_web::rt::System::new().block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(database)
            .busy_timeout(std::time::Duration::from_secs(30));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}
