// Fault model: SIGKILL of service and collector at the same moment. See kill-campaign.ts.
import { killCampaign } from './kill-campaign.ts'

killCampaign('both')
