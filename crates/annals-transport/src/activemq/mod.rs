//! ActiveMQ Classic and Artemis, by AMQP 1.0.
