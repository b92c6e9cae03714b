// Fault model: SIGKILL of the service, in the middle of whatever it does. See kill-campaign.ts.
import { killCampaign } from './kill-campaign.ts'

killCampaign('the service')
