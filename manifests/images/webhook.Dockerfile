# The image of the webhook, from what rootfs.sh has built:
#   make images && docker buildx build --platform linux/amd64,linux/arm64 -f manifests/images/webhook.Dockerfile .
# The base holds users, CA certificates and time zones, and no shell.
FROM gcr.io/distroless/static-debian12:nonroot@sha256:afa5c872c891853ca7fcf1f12c3edb23f7eeef36189728842dd51042ff57f7ab
ARG TARGETARCH
COPY build/images/webhook/${TARGETARCH}/files/ /
USER 65532:65532
EXPOSE 9443 8080 8081
ENTRYPOINT ["/usr/local/bin/webhook"]
