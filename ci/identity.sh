#!/bin/sh
# Tells the steps after this one who they are on Azure: the Azure plugin, and kubelogin.
set -eu
: "${CLIENT_ID:?the identity}" "${TENANT_ID:?its tenant}" "${SUBSCRIPTION_ID:?the subscription}"
: "${GITHUB_ENV:?the file that a job keeps its environment in}"

# Both ask GitHub for a new token whenever they need one. A login by the Azure CLI ends with the
# token that it began with, after a few minutes, which a new cluster does not come up in.
cat >>"$GITHUB_ENV" <<END
AAD_LOGIN_METHOD=workloadidentity
AZURE_CLIENT_ID=$CLIENT_ID
AZURE_TENANT_ID=$TENANT_ID
ARM_USE_OIDC=true
ARM_CLIENT_ID=$CLIENT_ID
ARM_TENANT_ID=$TENANT_ID
ARM_SUBSCRIPTION_ID=$SUBSCRIPTION_ID
END
